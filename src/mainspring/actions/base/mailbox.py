"""Mailboxes of a mail: `ann@example.com`, or with a name `Ann <ann@example.com>`. A domain in other letters is written in its ASCII form.

Invariant: neither name nor address has a line end or another control character, so neither can add a header.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from mainspring.domain.errors import OptionError
from mainspring.domain.text.escaping import escape, is_plain_line

_FORM = re.compile(r"(?P<name>[^<>]*)<(?P<address>[^<>]+)>|(?P<plain>[^<>]+)")
_LOCAL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~\u0080-\U0010ffff-]{1,64}")
_DOMAIN = re.compile(
    r"(?=.{1,253}$)[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*"
)
_AMBIGUOUS = frozenset("\u00df\u03c2\u200c\u200d")
"""Two standards write a domain with these differently: one of the two could belong to another owner."""
_LONGEST_NAME = 200
_HINT = 'Write "ann@example.com" or "Ann <ann@example.com>", and several as a list.'


class Mailbox(NamedTuple):
    """A mailbox: `name` for people, may be empty; `address` with an ASCII domain."""

    name: str
    address: str


def read_mailboxes(option: str, value: object) -> tuple[Mailbox, ...]:
    """Return the mailboxes of an option (None = none), each address once.

    Raises:
        OptionError: one of them cannot be used.
    """
    if value is None:
        return ()
    texts: Sequence[object] = value if isinstance(value, list | tuple) else (value,)
    mailboxes: dict[str, Mailbox] = {}
    for text in texts:
        mailbox = read_mailbox(option, text)
        mailboxes.setdefault(mailbox.address, mailbox)
    return tuple(mailboxes.values())


def read_mailbox(option: str, text: object) -> Mailbox:
    """Return one mailbox. Raises OptionError."""
    if not isinstance(text, str):
        raise OptionError(f"{option}= is {type(text).__name__}, not a mail address", hint=_HINT)
    match = _FORM.fullmatch(text.strip())
    if match is None or not is_plain_line(text) or has_encoded_word(text):
        raise _invalid_error(option, text)
    name = (match["name"] or "").strip().strip('"').strip()
    local, at, domain = (match["address"] or match["plain"]).strip().rpartition("@")
    domain = _encode_domain(option, text, domain)
    is_dotted = not local.startswith(".") and not local.endswith(".") and ".." not in local
    if not at or not is_dotted or not _LOCAL.fullmatch(local) or not local.isprintable() or " " in local:
        raise _invalid_error(option, text)
    if len(name) > _LONGEST_NAME or not _DOMAIN.fullmatch(domain):
        raise _invalid_error(option, text)
    return Mailbox(name, f"{local}@{domain}")


def has_encoded_word(text: str) -> bool:
    """Return whether a mail program would decode a part of the text, which could then have a line end."""
    return "=?" in text


def _encode_domain(option: str, text: str, domain: str) -> str:
    if domain.isascii():
        return domain.lower()
    if _AMBIGUOUS.intersection(domain):
        hint = "Write the domain in its ASCII form, which begins with xn--."
        raise OptionError(f"{option}={escape(text, 100)!r}: the domain has two readings", hint=hint)
    try:
        return domain.encode("idna").decode("ascii").lower()
    except UnicodeError:
        raise _invalid_error(option, text) from None


def _invalid_error(option: str, text: str) -> OptionError:
    return OptionError(f"{option}={escape(text, 100)!r} is not a mail address", hint=_HINT)
