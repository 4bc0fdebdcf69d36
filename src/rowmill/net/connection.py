"""What a failed connection is told as, by everything that speaks HTTP."""

import os
import socket
import ssl

import aiohttp


def innermost(error: BaseException) -> BaseException:
    """The first cause of ``error``: the outer ones repeat the URL, which may hold a secret."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def in_words(error: BaseException) -> str:
    """What went wrong, as the end of a sentence."""
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "the server closed it before it had answered"
    if isinstance(error, OSError) and error.errno:
        foreign = isinstance(error, ssl.SSLError | socket.gaierror)  # numbers that are none of the system's
        return str(error.strerror) if foreign else os.strerror(error.errno)
    return str(getattr(error, "message", error)) or type(error).__name__
