"""The address of a channel, one line of text for each kind: parsed, checked, and never with a secret in it.

    slack://secret:NAME/#channel                       the secret = a bot's token; C0123ABC names the channel by its id
    pagerduty://secret:NAME                            the secret = an integration key of Events v2
    smtps://secret:NAME@HOST:465/ops@example.com       the secret = USER:PASSWORD; also starttls://, and smtp:// without a password
    webhook+https://HOST/PATH?secret=NAME              the secret = whsec_..., Standard Webhooks sign with it
    apprise://secret:NAME                              the secret = an address of apprise
    terminal                                           the standard error of the process that sends

Invariant: an accepted address holds only names of secrets, so it may be stored and shown as it is.
"""

import re
from enum import StrEnum
from urllib.parse import parse_qsl, quote, unquote

import msgspec

from mainspring.domain.errors import OptionError, UnknownNameError
from mainspring.domain.redaction.secret_name import SECRET_NAME
from mainspring.domain.text.escaping import escape, is_plain_line
from mainspring.domain.text.lazy_pattern import lazy_pattern

TERMINAL = "terminal"
"""The address of the terminal, and the name of the channel that is used when none is configured."""
_LONGEST = 1_000
_NAME = lazy_pattern(r"[a-z][a-z0-9_-]{0,39}", re.ASCII)
_URL = lazy_pattern(
    r"(?P<scheme>[a-z+]+)://(?:(?P<user>[^/?@]*)@)?(?P<host>[^/?@]*)(?:/(?P<path>[^?]*))?(?:\?(?P<query>.*))?"
)
_HOST = lazy_pattern(r"(?P<name>[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::(?P<port>[0-9]{1,5}))?", re.ASCII)
_SLACK_CHANNEL = lazy_pattern(r"#[^\s,/#@]{1,80}|[CGD][A-Z0-9]{5,30}")
_MAIL = lazy_pattern(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*", re.ASCII)
_API = lazy_pattern(r"https?://[A-Za-z0-9.:\[\]-]+(?:/[A-Za-z0-9._~-]+)*", re.ASCII)
_IN_PATH = lazy_pattern(r"\{secret:([A-Za-z][A-Za-z0-9_.-]{0,99})\}", re.ASCII)
_KEY = lazy_pattern(r"(?=[^/]*[0-9])(?=[^/]*[A-Za-z])[A-Za-z0-9_.~+=-]{20,}")
_LOOPBACK = lazy_pattern(r"localhost|127(?:\.[0-9]{1,3}){3}|\[::1\]")
_PARAMETER = lazy_pattern(r"[a-z_]{1,20}")
_LARGEST_PORT = 65_535


class ChannelKind(StrEnum):
    """The kind of a channel."""

    SLACK = "slack"
    PAGERDUTY = "pagerduty"
    MAIL = "mail"
    WEBHOOK = "webhook"
    APPRISE = "apprise"
    TERMINAL = "terminal"


class MailSecurity(StrEnum):
    """How mail is protected on its way to the first server."""

    NONE = "smtp"
    STARTTLS = "starttls"
    TLS = "smtps"


ADDRESS_FORMS = {
    ChannelKind.SLACK: "slack://secret:NAME/#CHANNEL",
    ChannelKind.PAGERDUTY: "pagerduty://secret:NAME",
    ChannelKind.MAIL: "smtps://secret:NAME@HOST:465/TO@EXAMPLE.COM?from=FROM@EXAMPLE.COM",
    ChannelKind.WEBHOOK: "webhook+https://HOST/PATH?secret=NAME",
    ChannelKind.APPRISE: "apprise://secret:NAME",
    ChannelKind.TERMINAL: TERMINAL,
}
_SCHEMES = {
    "slack": ChannelKind.SLACK,
    "pagerduty": ChannelKind.PAGERDUTY,
    **dict.fromkeys((security.value for security in MailSecurity), ChannelKind.MAIL),
    "webhook+https": ChannelKind.WEBHOOK,
    "webhook+http": ChannelKind.WEBHOOK,
    "apprise": ChannelKind.APPRISE,
}
_PORTS = {MailSecurity.NONE: 25, MailSecurity.STARTTLS: 587, MailSecurity.TLS: 465}
_APIS = {ChannelKind.SLACK: "https://slack.com/api", ChannelKind.PAGERDUTY: "https://events.pagerduty.com"}


class ChannelAddress(msgspec.Struct, frozen=True, kw_only=True):
    """A parsed address. `secret` = a name ("" = none)."""

    kind: ChannelKind
    secret: str = ""
    to: tuple[str, ...] = ()
    """Slack: its one channel; mail: the recipients."""
    url: str = ""
    """Slack and PagerDuty: the URL of their API; webhook: its URL, with `{secret:NAME}` for each secret part."""
    host: str = ""
    port: int = 0
    security: MailSecurity = MailSecurity.NONE
    sender: str = ""

    @property
    def secrets(self) -> tuple[str, ...]:
        """The names of all secrets that it needs."""
        named = (self.secret, *(match[1] for match in _IN_PATH.finditer(self.url)))
        return tuple(dict.fromkeys(name for name in named if name))

    def url_with(self, values: dict[str, str]) -> str:
        """Return `url` with the values of the secrets in it, by name."""
        return _IN_PATH.sub(lambda match: quote(values[match[1]], safe="/"), self.url)


def check_channel_name(name: str) -> None:
    """Do nothing if this may be the name of a channel. Raises OptionError."""
    if not _NAME.fullmatch(name):
        raise OptionError(
            f"{escape(name, 60)!r} is not a valid name of a channel",
            hint="Use lower-case letters, digits, _ and -, at most 40.",
        )


def read_channel_address(address: object) -> ChannelAddress:
    """Parse the address of a channel.

    Raises:
        OptionError: it is invalid, or has a secret in it, which is not repeated.
        UnknownNameError: it has a parameter that this kind does not know.
    """
    if not isinstance(address, str) or len(address) > _LONGEST or not is_plain_line(address):
        raise OptionError("the address of a channel must be one line of text", hint=_list_forms())
    if address in (TERMINAL, f"{TERMINAL}://"):
        return ChannelAddress(kind=ChannelKind.TERMINAL)
    kind = _SCHEMES.get(address.partition("://")[0])
    if kind is None or "://" not in address:
        start = escape(address.partition("://")[0], 20) + "://" if "://" in address else ""
        raise OptionError(f"no channel has an address of this form: {start!r}", hint=_list_forms())
    parts = _URL.fullmatch(address)
    if parts is None:
        raise _invalid_address(kind, "the address of the channel cannot be read")
    read = {
        ChannelKind.SLACK: _read_slack,
        ChannelKind.PAGERDUTY: _read_pagerduty,
        ChannelKind.MAIL: _read_mail,
        ChannelKind.WEBHOOK: _read_webhook,
        ChannelKind.APPRISE: _read_apprise,
    }[kind]
    return read(parts)


def _read_slack(parts: "re.Match[str]") -> ChannelAddress:
    kind = ChannelKind.SLACK
    channel = unquote(parts["path"] or "")
    _reject_user(kind, parts)
    secret = _read_secret_name(kind, parts["host"])
    if not _SLACK_CHANNEL.fullmatch(channel):
        raise _invalid_address(kind, "the address names no channel, or one that Slack cannot have")
    return ChannelAddress(kind=kind, secret=secret, to=(channel,), url=_read_api_url(kind, parts))


def _read_pagerduty(parts: "re.Match[str]") -> ChannelAddress:
    kind = ChannelKind.PAGERDUTY
    _reject_user(kind, parts)
    _reject_path(kind, parts)
    return ChannelAddress(kind=kind, secret=_read_secret_name(kind, parts["host"]), url=_read_api_url(kind, parts))


def _read_apprise(parts: "re.Match[str]") -> ChannelAddress:
    kind = ChannelKind.APPRISE
    _reject_user(kind, parts)
    _reject_path(kind, parts)
    _read_parameters(kind, parts["query"], ())
    return ChannelAddress(kind=kind, secret=_read_secret_name(kind, parts["host"]))


def _read_mail(parts: "re.Match[str]") -> ChannelAddress:
    kind = ChannelKind.MAIL
    security = MailSecurity(parts["scheme"])
    secret = "" if parts["user"] is None else _read_secret_name(kind, parts["user"])
    host, port = _read_server(kind, parts["host"])
    if secret and security is MailSecurity.NONE and not _LOOPBACK.fullmatch(host):
        raise _invalid_address(kind, "the password would be sent unencrypted: use smtps:// or starttls://")
    to = tuple(recipient.strip() for recipient in unquote(parts["path"] or "").split(","))
    parameters = _read_parameters(kind, parts["query"], ("from",))
    sender = parameters.get("from", to[0])
    if not all(_MAIL.fullmatch(mailbox) for mailbox in (*to, sender)):
        raise _invalid_address(kind, "the address lacks the recipient or the sender of the mail")
    return ChannelAddress(
        kind=kind,
        secret=secret,
        to=to,
        host=host.strip("[]"),
        port=port or _PORTS[security],
        security=security,
        sender=sender,
    )


def _read_webhook(parts: "re.Match[str]") -> ChannelAddress:
    kind = ChannelKind.WEBHOOK
    _reject_user(kind, parts)
    _read_server(kind, parts["host"])
    pairs = parse_qsl(parts["query"] or "", keep_blank_values=True)
    names = [value for key, value in pairs if key == "secret"]
    if len(names) != 1 or not SECRET_NAME.fullmatch(names[0]):
        raise _invalid_address(kind, "the address does not name the secret for the signature")
    other_parameters = [(key, value) for key, value in pairs if key != "secret"]
    texts = [*(parts["path"] or "").split("/"), *(part for pair in other_parameters for part in pair)]
    if any(_KEY.search(_IN_PATH.sub("", unquote(text))) for text in texts):
        raise OptionError(
            "a part of the address looks like a key, and an address must not contain a secret",
            hint="Set it as a secret, MAINSPRING_SECRET_NAME, and write {secret:NAME} in its place.",
        )
    query = "&".join(f"{quote(key)}={quote(value, safe='{}:')}" for key, value in other_parameters)
    path = f"/{parts['path'] or ''}{'?' if query else ''}{query}"
    return ChannelAddress(
        kind=kind, secret=names[0], url=f"{parts['scheme'].removeprefix('webhook+')}://{parts['host']}{path}"
    )


def _read_secret_name(kind: ChannelKind, text: str) -> str:
    """Return the name behind `secret:`; any other text may be the secret itself, and is not repeated."""
    name = text.removeprefix("secret:")
    if name == text or not SECRET_NAME.fullmatch(name):
        raise OptionError(
            "an address must not contain a secret",
            hint=f"Set it as MAINSPRING_SECRET_NAME and refer to it: {ADDRESS_FORMS[kind]}",
        )
    return name


def _read_api_url(kind: ChannelKind, parts: "re.Match[str]") -> str:
    """Return the URL of the API; a secret goes there, so it is on this machine or uses TLS."""
    url = _read_parameters(kind, parts["query"], ("api",)).get("api", _APIS[kind]).rstrip("/")
    host = url.partition("://")[2].partition("/")[0]
    if not _API.fullmatch(url) or (url.startswith("http:") and not _LOOPBACK.fullmatch(_read_server(kind, host)[0])):
        raise _invalid_address(kind, "api= must be the https:// address of an API")
    return url


def _read_server(kind: ChannelKind, text: str) -> tuple[str, int]:
    match = _HOST.fullmatch(text)
    if match is None or int(match["port"] or 0) > _LARGEST_PORT:
        raise _invalid_address(kind, "the address lacks a valid host")
    return match["name"], int(match["port"] or 0)


def _read_parameters(kind: ChannelKind, query: str | None, known: tuple[str, ...]) -> dict[str, str]:
    parameters: dict[str, str] = {}
    for key, value in parse_qsl(query or "", keep_blank_values=True):
        if key not in known:
            name = key if _PARAMETER.fullmatch(key) else "..."  # anything else may be a secret in the wrong place
            raise UnknownNameError("parameter in the address of a channel", name, known)
        if key in parameters or not value:
            raise _invalid_address(
                kind, f"the address of the channel has {key}= {'twice' if key in parameters else 'without a value'}"
            )
        parameters[key] = value
    return parameters


def _reject_user(kind: ChannelKind, parts: "re.Match[str]") -> None:
    if parts["user"] is not None:
        raise _invalid_address(kind, "the address of the channel has text before an @")


def _reject_path(kind: ChannelKind, parts: "re.Match[str]") -> None:
    if parts["path"]:
        raise _invalid_address(kind, "the address of the channel has text after the /")


def _invalid_address(kind: ChannelKind, problem: str) -> OptionError:
    return OptionError(problem, hint=f"Write {ADDRESS_FORMS[kind]}")


def _list_forms() -> str:
    return "Write one of\n" + "\n".join(f"  {form}" for form in ADDRESS_FORMS.values())
