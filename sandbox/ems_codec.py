"""The EMS open platform's envelope: `|$4|` + Base64(SM4-ECB-PKCS5(JSON + secret, key = Base64-decoded secret)).

Written from the format's description alone, independently of the courier service, so that each proves the other; this
module must never know what an order is.
"""

from __future__ import annotations

import base64
import binascii
import hashlib

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

MARK = "|$4|"
BLOCK = 128


class BadEnvelope(ValueError):
    """A message that this secret does not open; repeats nothing of it."""


class EmsCodec:
    """Seals and opens with one partner's secret (Base64 of 16 bytes). ECB is what the platform prescribes.

    Raises ValueError for a secret of another length.
    """

    def __init__(self, secret: str) -> None:
        key = base64.b64decode(secret, validate=True)
        if len(key) != BLOCK // 8:
            raise ValueError("the EMS secret must be Base64 of 16 bytes")
        self._secret = secret.encode()
        self._cipher = Cipher(algorithms.SM4(key), modes.ECB())  # noqa: S305

    def seal(self, text: str) -> str:
        padder = PKCS7(BLOCK).padder()
        plain = padder.update(text.encode() + self._secret) + padder.finalize()
        encryptor = self._cipher.encryptor()
        return MARK + base64.b64encode(encryptor.update(plain) + encryptor.finalize()).decode()

    def open(self, sealed: str) -> str:
        """Raises BadEnvelope for a missing mark, bad Base64 or padding, or text not ending in the secret."""
        if not sealed.startswith(MARK):
            raise BadEnvelope("the mark |$4| is missing")
        try:
            # A form that was not percent-encoded turns every + of Base64 into a space.
            data = base64.b64decode(sealed[len(MARK) :].replace(" ", "+"), validate=True)
            decryptor = self._cipher.decryptor()
            unpadder = PKCS7(BLOCK).unpadder()
            plain = unpadder.update(decryptor.update(data) + decryptor.finalize()) + unpadder.finalize()
            if not plain.endswith(self._secret):
                raise BadEnvelope("the text does not end in the secret")
            return plain[: -len(self._secret)].decode()
        except (binascii.Error, ValueError) as error:
            raise error if isinstance(error, BadEnvelope) else BadEnvelope("not decipherable") from None


def digest(body: bytes, key: str) -> str:
    """The header `authenticate` of a trace push: Base64 of the sixteen bytes MD5(body + key)."""
    return base64.b64encode(hashlib.md5(body + key.encode(), usedforsecurity=False).digest()).decode()
