"""Incident links in messages: a signed permission to see one opening of an incident and to operate on it, for a while.

Pure. A token is `incident.opened.until.signature`; it contains nothing that is not in the message beside it.
"""

import hmac
import re
from base64 import urlsafe_b64encode
from collections.abc import Sequence

import msgspec

LINK_LIFETIME_S = 7 * 86_400
LINK_SECRET_NAME = "link-key"  # a name
MIN_LINK_KEY_LENGTH = 16
"""Characters: a shorter key could be found by trying."""
_TOKEN = re.compile(r"(i_[0-9a-z]{1,40})\.([0-9]{1,9})\.([0-9]{1,12})\.([A-Za-z0-9_-]{43})")


class IncidentLinkToken(msgspec.Struct, frozen=True):
    """The permission of a link: one opening of an incident, until an instant (s since the epoch)."""

    incident: str
    opened: int
    until_s: int

    def token(self, key: str) -> str:
        """Return the token, signed."""
        text = f"{self.incident}.{self.opened}.{self.until_s}"
        return f"{text}.{_sign(key, text)}"


def verify_link_token(token: str, keys: Sequence[str], now_s: int) -> IncidentLinkToken | None:
    """Return the permission of a token now; None if no key has signed it, or its time is over."""
    match = _TOKEN.fullmatch(token)
    if match is None:
        return None
    text = token.rpartition(".")[0]
    # All keys are tried, so that the time does not show which key fits.
    fits = [hmac.compare_digest(_sign(key, text), match[4]) for key in keys if len(key) >= MIN_LINK_KEY_LENGTH]
    until_s = int(match[3])
    return (
        IncidentLinkToken(match[1], int(match[2]), until_s)
        if any(fits) and now_s < until_s <= now_s + LINK_LIFETIME_S
        else None
    )


def _sign(key: str, text: str) -> str:
    digest = hmac.digest(key.encode(), b"mainspring link 1\x1f" + text.encode(), "sha256")
    return urlsafe_b64encode(digest).decode().rstrip("=")
