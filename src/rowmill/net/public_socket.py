"""Keeps requests away from addresses that only this machine or its network can reach."""

import ipaddress
import socket
from typing import Any

_TRANSLATED = ipaddress.ip_network("64:ff9b::/96")
"""Where NAT64 shows the IPv4 internet (RFC 6052)."""
_UNICAST = ipaddress.ip_network("2000::/3")


class PrivateAddress(OSError):
    """An ``OSError``, for then the connector goes on to a host's other addresses. Its text is the same for each: only
    so does it come out as itself where all were refused."""

    def __init__(self) -> None:
        super().__init__("the address is private")


def public_socket(addr_info: tuple[Any, ...]) -> socket.socket:
    """A socket for the very address that is about to be connected to, so that no name, number or redirect gets past.
    Raises ``PrivateAddress``."""
    family, kind, protocol, _, address = addr_info
    if not is_public(str(address[0])):
        raise PrivateAddress
    return socket.socket(family=family, type=kind, proto=protocol)


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the public internet, also where it carries an IPv4 one inside."""
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv4Address):
        return ip.is_global and not ip.is_multicast
    inner = ip.ipv4_mapped or ip.sixtofour
    if ip in _TRANSLATED:
        inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    if inner is not None:
        return is_public(str(inner))
    return ip in _UNICAST and ip.is_global


def public_connection(host: str, port: int, timeout: float | None) -> socket.socket:
    """Like ``socket.create_connection``, to public addresses alone. Raises ``OSError``."""
    trouble: OSError | None = None
    for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        try:
            connection = public_socket(found)
        except PrivateAddress as error:
            trouble = error
            continue
        try:
            connection.settimeout(timeout)
            connection.connect(found[4])
        except OSError as error:
            connection.close()
            trouble = error
        else:
            return connection
    raise trouble or OSError("the name has no address")
