"""The real program as separate processes: real files, real signals, a real HTTP server.

Each test has a store, a server and processes of its own, so that all of them may run side by side.
"""
