"""Server URLs as text: the part that a person may see, and whether one can be read at all.

A password with a raw `/`, `#` or `@` changes the whole address: parts of it would become host, port or database, and appear in errors.
Such an address is refused before it is used, and never repeated.
"""

import re

from mainspring.domain.errors import ConfigError
from mainspring.domain.text.lazy_pattern import lazy_pattern

SERVER_HINT = (
    "Write postgresql://USER:PASSWORD@HOST:PORT/DATABASE?schema=mainspring."
    " The password can stay in PGPASSWORD, ~/.pgpass or a service file."
)
_PASSWORD = lazy_pattern(r"(?<=://)([^/?#@:]*):.*(?=@)", re.DOTALL)
_SECRETS = lazy_pattern(r"(?<=[?&])[a-z_]*(?:password|secret)=[^&#]*&?", re.IGNORECASE)
_HOST_END = lazy_pattern(r"[/?]")
_BAD_PERCENT = lazy_pattern(r"%(?![0-9A-Fa-f]{2})")
_UNSAFE_CHARACTER = lazy_pattern(r"[\s#\x00-\x1f\x7f]")
"""Characters that must be written as %XX everywhere."""
_UNSAFE_USER_CHARACTER = lazy_pattern(r"[@\[\]]")
_HOST = lazy_pattern(r"(\[[^\[\]]*\]|[^:\[\]]*)(:\d*)?")


def redact_url(url: str) -> str:
    """Return a URL without its passwords, even if it cannot be read."""
    return _SECRETS.sub("", _PASSWORD.sub(r"\1", url))


def explain_unreadable_url(url: str) -> str | None:
    """Return which part of a server's URL cannot be read, and how to write it, in words that repeat no part of it; None if it can be."""
    from urllib.parse import quote

    rest = url.partition("://")[2]
    end = _HOST_END.search(rest)
    authority, tail = (rest[: end.start()], rest[end.start() :]) if end else (rest, "")
    user, _, hosts = authority.rpartition("@")
    odd = _UNSAFE_CHARACTER.search(rest) or _BAD_PERCENT.search(rest) or _UNSAFE_USER_CHARACTER.search(user)
    if odd:
        return f"it has a {odd[0]!r} that must be written {quote(odd[0])}"
    if "@" in tail:
        return "it has a '/' or '?' before an '@': in a password write %2F and %3F, elsewhere write %40"
    if not all(_HOST.fullmatch(host) for host in hosts.split(",")):
        return "its port is not a number"
    return None


def split_schema(url: str) -> tuple[str, str | None]:
    """Return the address without `schema`, which libpq does not know, and its value; the rest is unchanged.

    Raises:
        ConfigError: it names two.
    """
    start, _, query = url.partition("?")
    words = [word for word in query.split("&") if word]
    named = {word.removeprefix("schema=") for word in words if word.startswith("schema=")}
    if len(named) > 1:
        raise ConfigError("the address of the store names more than one schema", hint="Write ?schema=NAME once.")
    other_parameters = "&".join(word for word in words if not word.startswith("schema="))
    return f"{start}?{other_parameters}" if other_parameters else start, next(iter(named), None)


def replace_schema(url: str, schema: str) -> str:
    """Return the address of another schema of this database."""
    start, separator, other_parameters = split_schema(url)[0].partition("?")
    return f"{start}?schema={schema}{'&' if separator else ''}{other_parameters}"
