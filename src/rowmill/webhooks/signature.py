"""Secrets and signatures of webhooks.

Source: Standard Webhooks 1.0.0, "Signature scheme" and "Webhook headers", the symmetric scheme (v1).
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence

_PREFIX = "whsec_"
_SECRET_BYTES = 32


def new_secret() -> str:
    """A secret as it is shown to whoever verifies signatures."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def headers(id_: str, at: float, body: bytes, keys: Sequence[str]) -> dict[str, str]:
    """What is sent beside ``body`` at the moment ``at`` (Unix seconds): signed with each of ``keys``, so that a
    receiver can change from one secret to the next."""
    timestamp = str(int(at))
    content = f"{id_}.{timestamp}.".encode() + body
    return {
        "webhook-id": id_,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(_signature(secret, content) for secret in keys),
    }


def _signature(secret: str, content: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(_PREFIX))
    return "v1," + base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()
