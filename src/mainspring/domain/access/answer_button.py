"""Answer buttons in messages: a signed permission to give one answer to one opening of a question, for a while.

Pure. A token is `data.signature`; the data contain nothing that is not in the message beside it.
"""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence

import msgspec

from mainspring.domain.access.incident_link import LINK_LIFETIME_S, MIN_LINK_KEY_LENGTH

MAX_TOKEN_LENGTH = 2_000
"""Characters: the longest value of a button that Slack accepts."""


class AnswerButton(msgspec.Struct, frozen=True, array_like=True):
    """The permission of a button: one choice of one question of a run, until an instant (s since the epoch).

    `opened_at` = when the question was opened (ms UTC): a later question of the same identity is another one.
    """

    run: str
    ident: str
    opened_at: int
    choice: str
    until_s: int

    def token(self, key: str) -> str:
        """Return the token, signed."""
        data = urlsafe_b64encode(msgspec.json.encode(self)).decode().rstrip("=")
        return f"{data}.{_sign(key, data)}"


def verify_answer_button(token: str, keys: Sequence[str], now_s: int) -> AnswerButton | None:
    """Return the permission of a token now; None if no key has signed it, or its time is over."""
    data, _, signature = token.rpartition(".")
    if not data or len(token) > MAX_TOKEN_LENGTH or not token.isascii():
        return None
    # All keys are tried, so that the time does not show which key fits.
    fits = [hmac.compare_digest(_sign(key, data), signature) for key in keys if len(key) >= MIN_LINK_KEY_LENGTH]
    if not any(fits):
        return None
    try:
        button = msgspec.json.decode(urlsafe_b64decode(data + "=" * (-len(data) % 4)), type=AnswerButton)
    except (msgspec.MsgspecError, ValueError):
        return None
    return button if now_s < button.until_s <= now_s + LINK_LIFETIME_S else None


def _sign(key: str, data: str) -> str:
    digest = hmac.digest(key.encode(), b"mainspring answer 1\x1f" + data.encode(), "sha256")
    return urlsafe_b64encode(digest).decode().rstrip("=")
