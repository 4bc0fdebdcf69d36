"""The ledger: everything that must outlive a crash. One verb per transition; see ``store.Store``."""
