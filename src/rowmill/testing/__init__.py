"""Fakes for the tests of Rowmill and of its plugins."""

from rowmill.testing.chat_server import ChatRequest, Fault, ModelServer, Reply

__all__ = ["ChatRequest", "Fault", "ModelServer", "Reply"]
