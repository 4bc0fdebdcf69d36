"""Secrets at rest: sealed with AES-256-GCM, by a key that is kept apart from the database.

What is sealed is bound to its context, so that nobody who can write to the database can pass one secret off as another.
Source: NIST SP 800-38D.
"""

import base64
import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from rowmill.core.errors import StoreError, UsageError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_VARIABLE = "ROWMILL_SECRET_KEY"
KEY_FILE = "secret.key"
_THE_FILE = f"{KEY_FILE} in the store's home"
_KEY_BYTES = 32
_NONCE_BYTES = 12
_BY_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class SecretBox:
    """Seals with the key in ``ROWMILL_SECRET_KEY``, else with that in the file ``secret.key`` in ``home``, which is
    made when something is first sealed. Both methods raise ``StoreError`` where the key cannot be used as it stands,
    and ``UsageError`` where ``cryptography`` is not installed. No message names a path: a server's clients read them,
    too."""

    def __init__(self, home: Path) -> None:
        # The key itself is read anew each time: one that is put in the place of a lost one counts at once.
        self._path = home / KEY_FILE

    def seal(self, text: str, context: str) -> str:
        """``text`` so that only ``open`` with the same ``context`` can read it again."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        cipher = _cipher(_key_given() or _key_in(self._path) or _new_key(self._path))
        return base64.b64encode(nonce + cipher.encrypt(nonce, text.encode(), context.encode())).decode()

    def open(self, sealed: str, context: str) -> str:
        """What was sealed. Raises ``StoreError`` where the key is gone or is another one."""
        cipher = _cipher(_key_given() or _key_in(self._path) or self._no_key())
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - see _cipher

        try:
            whole = base64.b64decode(sealed)
            return cipher.decrypt(whole[:_NONCE_BYTES], whole[_NONCE_BYTES:], context.encode()).decode()
        except (InvalidTag, ValueError) as error:
            raise StoreError("What is kept encrypted was sealed with another key.", self._way_back()) from error

    def _no_key(self) -> bytes:
        raise StoreError(f"The key of what is kept encrypted is gone: there is no {_THE_FILE}.", self._way_back())

    def _way_back(self) -> str:
        return (
            f"Put the {KEY_FILE} of that time back, or its content into {KEY_VARIABLE}; if it is lost, give each "
            "secret anew (rowmill connections add NAME --replace)."
        )


def _cipher(key: bytes) -> "AESGCM":
    try:
        # Takes 50 ms to load, and few commands touch a secret.
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415
    except ModuleNotFoundError as error:
        hint = "Install it with: pip install 'rowmill[serve]'"
        raise UsageError("Keeping secrets needs the package cryptography.", hint) from error
    return AESGCM(key)


def _key_given() -> bytes | None:
    text = os.environ.get(KEY_VARIABLE, "").strip()
    if not text:
        return None
    return _parsed(text) or _refuse(f"{KEY_VARIABLE} is no key: it must hold 32 bytes as base64 or hex.")


def _key_in(path: Path) -> bytes | None:
    """The key in the file, ``None`` where there is no file."""
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            text = file.read(1000)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"The {_THE_FILE} cannot be read: {error.strerror}.", "See who owns it.") from error
    if mode & _BY_OTHERS:
        hint = f"Take that from them: chmod 600 {KEY_FILE}, there."
        raise StoreError(f"Others can read the {_THE_FILE} (mode {mode:o}).", hint)
    return _parsed(text.decode(errors="replace").strip()) or _refuse(f"The {_THE_FILE} holds no key.")


def _new_key(path: Path) -> bytes:
    """Makes the file with a new key, or takes that of a process that was faster: a link is made whole or not at all."""
    whole = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        try:
            _write(whole, base64.b64encode(secrets.token_bytes(_KEY_BYTES)) + b"\n")
            with suppress(FileExistsError):
                os.link(whole, path)
        finally:
            whole.unlink(missing_ok=True)
        _sync(path.parent)
    except OSError as error:
        hint = f"See whether the disk is full, or set {KEY_VARIABLE}."
        raise StoreError(f"The {_THE_FILE} cannot be written: {error.strerror}.", hint) from error
    return _key_in(path) or _refuse(f"The {_THE_FILE} has just been removed.")


def _write(path: Path, content: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(directory: Path) -> None:
    """The name, too, survives a power cut: whatever is sealed next is worth nothing without it."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _parsed(text: str) -> bytes | None:
    """32 bytes as hex or as base64 (of either alphabet), else ``None``."""
    with suppress(ValueError):
        if len(key := bytes.fromhex(text)) == _KEY_BYTES:
            return key
    with suppress(ValueError):
        standard = text.rstrip("=").translate(str.maketrans("-_", "+/"))
        if len(key := base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)) == _KEY_BYTES:
            return key
    return None


def _refuse(what: str) -> bytes:
    raise StoreError(what, "Make one with: openssl rand -base64 32")
