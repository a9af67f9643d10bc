"""Secret URLs: an address that may be a secret itself, `https://...` or `secret:NAME`, whose value is read when it is used."""

from mainspring.domain.errors import OptionError
from mainspring.domain.redaction.secret_name import SECRET_NAME, SecretReader
from mainspring.domain.text.ip_networks import parse_address

_SECRET_PREFIX = "secret:"
LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


def read_secret_url(text: str) -> str:
    """Return the written text.

    Raises:
        OptionError: it is neither an address that is safe in transit nor the name of a secret.
    """
    if text.startswith(_SECRET_PREFIX) and SECRET_NAME.fullmatch(text.removeprefix(_SECRET_PREFIX)):
        return text
    if text.isprintable() and not any(part.isspace() for part in text) and is_safe_url(text):
        return text
    raise OptionError(
        "it is neither an https address nor a secret",
        hint='Write "https://hc-ping.com/...", or "secret:NAME", because everyone who knows the address can '
        "stop the alarm.",
    )


def is_safe_url(text: str) -> bool:
    """Whether no one in between can read or change the request."""
    from urllib.parse import urlsplit

    try:
        url = urlsplit(text)
        host = url.hostname
    except ValueError:
        return False
    return bool(host) and (url.scheme == "https" or (url.scheme == "http" and host in LOOPBACK_HOSTS))


def is_loopback_url(text: str) -> bool:
    """Return whether the address itself is one of this machine."""
    from urllib.parse import urlsplit

    try:
        host = (urlsplit(text).hostname or "").rstrip(".")
    except ValueError:
        return False
    address = parse_address(host)
    return address.is_loopback if address is not None else host == "localhost" or host.endswith(".localhost")


def resolve_secret_url(text: str, secrets: SecretReader) -> str:
    """Return the address; raises ConfigError if its secret is not set."""
    return secrets.get(text.removeprefix(_SECRET_PREFIX)) if text.startswith(_SECRET_PREFIX) else text
