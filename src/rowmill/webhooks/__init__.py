"""Events sent to other servers."""
