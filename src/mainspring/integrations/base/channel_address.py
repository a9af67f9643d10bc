"""The address of a channel, one line of text: its parts, and checks that never repeat a secret.

    SCHEME://[USER@]HOST[:PORT][/PATH][?PARAMETER=VALUE&...]

Invariant: an accepted address holds only names of secrets, so it may be stored and shown as it is.
"""

import re
from urllib.parse import parse_qsl, quote, unquote

import msgspec

from mainspring.domain.errors import OptionError, UnknownNameError
from mainspring.domain.redaction.secret_name import SECRET_NAME, SET_SECRET_HINT
from mainspring.domain.text.lazy_pattern import lazy_pattern

_URL = lazy_pattern(
    r"(?P<scheme>[a-z+]+)://(?:(?P<user>[^/?@]*)@)?(?P<host>[^/?@]*)(?:/(?P<path>[^?]*))?(?:\?(?P<query>.*))?"
)
_HOST = lazy_pattern(r"(?P<name>[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::(?P<port>[0-9]{1,5}))?", re.ASCII)
_API = lazy_pattern(r"https?://[A-Za-z0-9.:\[\]-]+(?:/[A-Za-z0-9._~-]+)*", re.ASCII)
_IN_PATH = lazy_pattern(r"\{secret:([A-Za-z][A-Za-z0-9_.-]{0,99})\}", re.ASCII)
_KEY = lazy_pattern(r"(?=[^/]*[0-9])(?=[^/]*[A-Za-z])[A-Za-z0-9_.~+=-]{20,}")
_LOOPBACK = lazy_pattern(r"localhost|127(?:\.[0-9]{1,3}){3}|\[::1\]")
_PARAMETER = lazy_pattern(r"[a-z_]{1,20}")
_LARGEST_PORT = 65_535


class ChannelAddress(msgspec.Struct, frozen=True, kw_only=True):
    """A parsed address. `scheme` names the notifier, `secret` = the name of a secret ("" = none)."""

    scheme: str
    secret: str = ""
    to: tuple[str, ...] = ()
    """Slack: its one channel; mail: the recipients."""
    url: str = ""
    """Slack and PagerDuty: the URL of their API; webhook: its URL, with `{secret:NAME}` for each secret part."""
    host: str = ""
    port: int = 0
    sender: str = ""

    @property
    def secrets(self) -> tuple[str, ...]:
        """The names of all secrets that it needs."""
        named = (self.secret, *(match[1] for match in _IN_PATH.finditer(self.url)))
        return tuple(dict.fromkeys(name for name in named if name))

    def url_with(self, values: dict[str, str]) -> str:
        """Return `url` with the values of the secrets in it, by name."""
        return _IN_PATH.sub(lambda match: quote(values[match[1]], safe="/"), self.url)


class AddressParts(msgspec.Struct, frozen=True):
    """The parts of an address as they are written. `form` = an example of a valid address, for hints.

    All methods raise OptionError for an invalid part.
    """

    form: str
    scheme: str
    user: str | None
    host: str
    path: str
    query: str

    @classmethod
    def of(cls, address: str, form: str) -> "AddressParts":
        """Split an address."""
        match = _URL.fullmatch(address)
        if match is None:
            raise OptionError("the address of the channel cannot be read", hint=f"Write {form}")
        return cls(form, match["scheme"], match["user"], match["host"], match["path"] or "", match["query"] or "")

    def invalid(self, problem: str) -> OptionError:
        """Return the error for an invalid part."""
        return OptionError(problem, hint=f"Write {self.form}")

    def reject_user(self) -> None:
        """Refuse a user."""
        if self.user is not None:
            raise self.invalid("the address of the channel has text before an @")

    def reject_path(self) -> None:
        """Refuse a path."""
        if self.path:
            raise self.invalid("the address of the channel has text after the /")

    def secret_name(self, text: str) -> str:
        """Return the name behind `secret:`; any other text may be the secret itself, and is not repeated."""
        name = text.removeprefix("secret:")
        if name == text or not SECRET_NAME.fullmatch(name):
            raise OptionError(
                "an address must not contain a secret",
                hint=f"Write the name of a secret in its place: {self.form}. {SET_SECRET_HINT}",
            )
        return name

    def server(self) -> tuple[str, int]:
        """Return the host and its port, 0 if there is none."""
        return self._read_server(self.host)

    def api_url(self, default: str) -> str:
        """Return the URL of the API; a secret goes there, so it is on this machine or uses TLS."""
        url = self.parameters("api").get("api", default).rstrip("/")
        host = url.partition("://")[2].partition("/")[0]
        if not _API.fullmatch(url) or (url.startswith("http:") and not is_loopback(self._read_server(host)[0])):
            raise self.invalid("api= must be the https:// address of an API")
        return url

    def parameters(self, *known: str) -> dict[str, str]:
        """Return the parameters. Raises UnknownNameError for one that is not known."""
        parameters: dict[str, str] = {}
        for key, value in self.pairs():
            if key not in known:
                name = key if _PARAMETER.fullmatch(key) else "..."  # anything else may be a secret in the wrong place
                raise UnknownNameError("parameter in the address of a channel", name, known)
            if key in parameters or not value:
                problem = "twice" if key in parameters else "without a value"
                raise self.invalid(f"the address of the channel says {key}= {problem}")
            parameters[key] = value
        return parameters

    def pairs(self) -> list[tuple[str, str]]:
        """Return the parameters in their order, whatever their names."""
        return parse_qsl(self.query, keep_blank_values=True)

    def _read_server(self, text: str) -> tuple[str, int]:
        match = _HOST.fullmatch(text)
        if match is None or int(match["port"] or 0) > _LARGEST_PORT:
            raise self.invalid("the address lacks a valid host")
        return match["name"], int(match["port"] or 0)


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine."""
    return _LOOPBACK.fullmatch(host) is not None


def may_be_key(text: str) -> bool:
    """Return whether a part of an address looks like a key; names of secrets do not."""
    return _KEY.search(_IN_PATH.sub("", unquote(text))) is not None
