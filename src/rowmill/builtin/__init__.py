"""Processors, providers and file formats that come with Rowmill; reached by entry point only, like any plugin."""
