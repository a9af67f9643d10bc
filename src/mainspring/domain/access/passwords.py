"""Passwords: which are accepted, their stored form, and a comparison in constant time.

Pure. The stored form is `scrypt$17$8$1$SALT$KEY`: it names its own cost, so that a higher one counts for new passwords only.
"""

import hashlib
import hmac
import unicodedata
from base64 import b64decode, b64encode
from collections.abc import Mapping
from functools import cache

import msgspec

from mainspring.domain.errors import OptionError

SALT_BYTES = 16
MIN_PASSWORD_LENGTH = 10
MAX_PASSWORD_LENGTH = 1_000
_KEY_BYTES = 32
_HEADROOM = 1024 * 1024
_PROJECT_PASSWORDS = frozenset(
    {"mainspring", "administrator", "adminadmin", "secretsecret", "abcdefghij", "changemenow"}
)
"""Besides the lists of stolen passwords."""
_COMMON_STEM_COUNT = 3_000
"""This many of the commonest are refused with digits and marks behind them too ("dragon2026!")."""
_ENDINGS = "0123456789!.?#*_-"


class ScryptCost(msgspec.Struct, frozen=True):
    """The cost of one comparison: 128 * r * 2**log_n bytes, and the time to fill them."""

    log_n: int = 17
    r: int = 8
    p: int = 1


def check_password(password: str, name: str) -> None:
    """Check a new password for this name. Only its length counts, not its kinds of characters.

    Raises:
        OptionError: it is too short or too long, among the first that attackers try, the name, or one character over and over.
    """
    if not MIN_PASSWORD_LENGTH <= len(password) <= MAX_PASSWORD_LENGTH:
        raise OptionError(
            f"a password has {MIN_PASSWORD_LENGTH} to {MAX_PASSWORD_LENGTH:,} characters",
            hint="Use a few words that no one else would combine.",
        )
    plain = password.casefold()
    if is_common(plain) or len(set(plain)) < 4 or plain.strip(_ENDINGS) == name.casefold():
        raise OptionError(
            "this password is among the first that are tried",
            hint="Use a few words that no one else would combine.",
        )


def is_common(plain: str) -> bool:
    """Return whether a password, in small letters, is among those that are tried first: stolen ones, and the commonest with an ending."""
    ranks, shortest = _load_ranks(), len(plain.rstrip(_ENDINGS))
    stems = (plain[:length] for length in range(shortest, len(plain) + 1))
    return plain in ranks or any(
        stem in _PROJECT_PASSWORDS or ranks.get(stem, _COMMON_STEM_COUNT) < _COMMON_STEM_COUNT for stem in stems
    )


@cache
def _load_ranks() -> Mapping[str, int]:
    """Return the stolen passwords, each with its rank from 0. Read when the first password is set: only that needs them."""
    from zxcvbn.frequency_lists import FREQUENCY_LISTS  # noqa: PLC0415 - 30,000 words that most processes never need

    return {word: rank for rank, word in enumerate(FREQUENCY_LISTS["passwords"])}


def hash_password(password: str, salt: bytes, cost: ScryptCost) -> str:
    """Return the stored form of a password. It takes the time of the cost: not for an event loop's thread."""
    words = (
        "scrypt",
        str(cost.log_n),
        str(cost.r),
        str(cost.p),
        _encode_base64(salt),
        _encode_base64(_derive_key(password, salt, cost)),
    )
    return "$".join(words)


def hash_without_password(cost: ScryptCost) -> str:
    """Return a stored form that no password matches: an unknown name is compared with it, at the same cost."""
    return "$".join(
        (
            "scrypt",
            str(cost.log_n),
            str(cost.r),
            str(cost.p),
            _encode_base64(bytes(SALT_BYTES)),
            _encode_base64(bytes(_KEY_BYTES)),
        )
    )


def verify_password(password: str, stored: str) -> bool:
    """Return whether it is this password. As slow as `hash_password`."""
    _, log_n, r, p, salt, key = stored.split("$")
    derived = _derive_key(password, b64decode(salt), ScryptCost(int(log_n), int(r), int(p)))
    return hmac.compare_digest(derived, b64decode(key))


def _derive_key(password: str, salt: bytes, cost: ScryptCost) -> bytes:
    # One password can be typed in more than one way: the same letters count as the same.
    data = unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")
    n = 2**cost.log_n
    return hashlib.scrypt(
        data,
        salt=salt,
        n=n,
        r=cost.r,
        p=cost.p,
        maxmem=128 * n * cost.r + 256 * cost.r * cost.p + _HEADROOM,
        dklen=_KEY_BYTES,
    )


def _encode_base64(data: bytes) -> str:
    return b64encode(data).decode()
