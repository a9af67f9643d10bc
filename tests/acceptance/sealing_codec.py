"""A codec that really encrypts, with what the standard library has: for tests, not for use."""

import hashlib
import hmac
import secrets

_NONCE = 16
_TAG = 32


class Keystream:
    """Each value is XORed with a stream of its own and carries a tag, so that another key is noticed."""

    def __init__(self, key: bytes = b"of the tests", id: str = "keystream") -> None:
        self.id = id
        self._key = key

    def encode(self, data: bytes) -> bytes:
        nonce = secrets.token_bytes(_NONCE)
        hidden = self._mixed(nonce, data)
        return nonce + self._tag(nonce + hidden) + hidden

    def decode(self, data: bytes) -> bytes:
        nonce, tag, hidden = data[:_NONCE], data[_NONCE : _NONCE + _TAG], data[_NONCE + _TAG :]
        if not hmac.compare_digest(tag, self._tag(nonce + hidden)):
            raise ValueError("another key")
        return self._mixed(nonce, hidden)

    def _mixed(self, nonce: bytes, data: bytes) -> bytes:
        stream = hashlib.shake_256(self._key + nonce).digest(len(data))
        return bytes(a ^ b for a, b in zip(data, stream, strict=True))

    def _tag(self, data: bytes) -> bytes:
        return hmac.digest(self._key, data, "sha256")


codec = Keystream()


class FailingCodec:
    """Seals until it is asked to fail."""

    id = "failing"
    fails = False

    def encode(self, data: bytes) -> bytes:
        if self.fails:
            raise ValueError("the key was deleted")
        return data[::-1]

    def decode(self, data: bytes) -> bytes:
        return data[::-1]
