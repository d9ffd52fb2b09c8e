"""Sealed fields: personal data under authenticated encryption, and tags by which equal values can be found.

It turns text into text with the keys it was given; this module must never log or print what it handles, nor import a
bus, a store or a service.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import os
import re
from typing import Final, Protocol, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import SM4

NONCE: Final = 12
TAG: Final = 16
SEALED: Final = NONCE + TAG
"""Bytes that sealing adds."""
SECRET_LEAST: Final = 16


class SealError(Exception):
    """A field that could not be sealed or opened. The text says why, and never what was in it."""


class Aead(Protocol):
    """The face of `cryptography`'s AEAD classes: the tag is appended to the ciphertext."""

    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes: ...

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes: ...


class Sm4Gcm:
    """SM4-GCM (GB/T 32907, RFC 8998), which `cryptography` offers as a cipher but not as an AEAD class."""

    def __init__(self, key: bytes) -> None:
        self._cipher = SM4(key)

    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes:
        context = Cipher(self._cipher, modes.GCM(nonce)).encryptor()
        context.authenticate_additional_data(associated_data or b"")
        return context.update(data) + context.finalize() + context.tag

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes:
        if len(data) < TAG:
            raise InvalidTag
        context = Cipher(self._cipher, modes.GCM(nonce, data[-TAG:])).decryptor()
        context.authenticate_additional_data(associated_data or b"")
        return context.update(data[:-TAG]) + context.finalize()


ALGORITHMS: Final[dict[str, tuple[int, type[AESGCM] | type[Sm4Gcm]]]] = {
    "aes-256-gcm": (32, AESGCM),
    "sm4-gcm": (16, Sm4Gcm),
}
"""Key length in bytes and cipher of every algorithm that a keyring may name."""


class Keyring:
    """Keys by id, the first of which seals; the others still open. A holder of no key can make tags only.

    Nonces are random, so one key may seal about 2^32 fields (NIST SP 800-38D) before it should be followed by a new
    one, put in front of it.
    """

    def __init__(self, keys: str, tag_secret: str) -> None:
        """`keys` as in the settings, `k2:sm4-gcm:<base64>,k1:aes-256-gcm:<base64>`, may be empty; `tag_secret` is
        base64 of at least 16 bytes, or empty. Raises ValueError naming the key id and what is wrong, never a key."""
        self._keys: dict[str, Aead] = {}
        for entry in filter(None, (part.strip() for part in keys.split(","))):
            kid, cipher = _key(entry)
            if kid in self._keys:
                raise ValueError(f"key {kid}: given twice")
            self._keys[kid] = cipher
        self.current = next(iter(self._keys), None)
        self._secret = _base64(tag_secret, "tag secret") if tag_secret else b""
        if tag_secret and len(self._secret) < SECRET_LEAST:
            raise ValueError(f"tag secret: at least {SECRET_LEAST} bytes expected")

    @staticmethod
    def generate_settings(algorithm: str = "aes-256-gcm", kid: str = "k1") -> tuple[str, str]:
        """Fresh random settings: one key, and a tag secret. Raises ValueError for an unknown algorithm."""
        if algorithm not in ALGORITHMS:
            raise ValueError("unknown algorithm")
        key = base64.b64encode(os.urandom(ALGORITHMS[algorithm][0])).decode()
        return f"{kid}:{algorithm}:{key}", base64.b64encode(os.urandom(32)).decode()

    @classmethod
    def generate(cls, algorithm: str = "aes-256-gcm") -> Self:
        """A keyring nobody else has, for tests and trials in one process."""
        return cls(*cls.generate_settings(algorithm))

    def __repr__(self) -> str:
        return f"<Keyring {' '.join(self._keys) or 'without keys'}>"

    def seal(self, plain: str, context: str) -> str:
        """`<key id>.<base64url of nonce, ciphertext and tag>`. `context` (which field of which case) is authenticated
        with it, so that a sealed field cannot be moved to another place. Raises SealError without a key."""
        return self.seal_as_text(plain.encode(), context)

    def seal_alike(self, plain: str, context: str) -> str:
        """For rules, whose answer must be the same when they are asked again: equal texts of a place are sealed alike.
        So whoever sees both learns that they are equal; `context` must name the case. The nonce is a keyed digest of
        both (as in RFC 8452, 4), so the bound of random ones holds. Raises SealError without a key or secret."""
        if not self._secret:
            raise SealError("no secret to seal alike with")
        what = b"\0".join((b"nonce", str(self.current).encode(), context.encode(), plain.encode()))
        return self.seal_as_text(plain.encode(), context, hmac.digest(self._secret, what, "sha256")[:NONCE])

    def open(self, sealed: str, context: str) -> str:
        """The text inside. Raises SealError for an unknown key, another context, or anything that was changed."""
        try:
            return self.open_as_text(sealed, context).decode()
        except UnicodeDecodeError:
            raise SealError("changed, cut short, or sealed for another place") from None

    def seal_as_text(self, plain: bytes, context: str, nonce: bytes = b"") -> str:
        """The same for what is no text itself."""
        kid, box = self.seal_bytes(plain, context, nonce)
        return f"{kid}.{base64.urlsafe_b64encode(box).rstrip(b'=').decode()}"

    def open_as_text(self, sealed: str, context: str) -> bytes:
        """What `seal_as_text` was given. Raises SealError as `open` does."""
        kid, _, text = sealed.partition(".")
        try:
            box = base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
        except ValueError:
            raise SealError("changed, cut short, or sealed for another place") from None
        return self.open_bytes(kid, box, context)

    def seal_bytes(self, plain: bytes, context: str, nonce: bytes = b"") -> tuple[str, bytes]:
        """The key's id, and nonce (a random one where none is given), ciphertext and tag: `SEALED` bytes more than went
        in. Raises SealError without a key."""
        if self.current is None:
            raise SealError("no key to seal with")
        nonce = nonce or os.urandom(NONCE)
        return self.current, nonce + self._keys[self.current].encrypt(nonce, plain, context.encode())

    def open_bytes(self, kid: str, box: bytes, context: str) -> bytes:
        """What `seal_bytes` was given. Raises SealError as `open` does."""
        cipher = self._keys.get(kid)
        if cipher is None:
            raise SealError("sealed under a key that this keyring does not hold")
        try:
            return cipher.decrypt(box[:NONCE], box[NONCE:], context.encode())
        except (InvalidTag, ValueError):
            raise SealError("changed, cut short, or sealed for another place") from None

    def tag(self, value: str) -> str:
        """32 hexadecimal digits of HMAC-SHA256: equal values have equal tags, and nobody without the secret can try
        values out. Raises SealError without a secret."""
        if not self._secret:
            raise SealError("no secret to tag with")
        return hmac.digest(self._secret, value.encode(), "sha256").hex()[:32]


def _key(entry: str) -> tuple[str, Aead]:
    kid, _, rest = entry.partition(":")
    algorithm, _, text = rest.partition(":")
    if not re.fullmatch(r"[A-Za-z0-9-]{1,32}", kid):
        raise ValueError("keys: expected id:algorithm:base64, with an id of letters, digits and hyphens")
    if algorithm not in ALGORITHMS:
        raise ValueError(f"key {kid}: algorithm must be one of {', '.join(ALGORITHMS)}")
    length, cipher = ALGORITHMS[algorithm]
    key = _base64(text, f"key {kid}")
    if len(key) != length:
        raise ValueError(f"key {kid}: {length} bytes expected, {len(key)} given")
    return kid, cipher(key)


def _base64(text: str, what: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"{what}: not valid base64") from None
