"""The remote of a repository: its address, how Git signs in, and the names of its branches; all checked before Git gets them.

Invariants: no text of a caller can be an option of Git; no secret is in an address or an argument.
"""

import re
import shlex
from base64 import b64encode
from pathlib import Path
from typing import NamedTuple, TypedDict
from urllib.parse import urlsplit

from mainspring.actions.base.action_options import require_known_options
from mainspring.actions.base.project_settings import SECRET_PREFIX, read_secret_option
from mainspring.domain.duration import SpanInput
from mainspring.domain.errors import ArgumentError, ConfigError, OptionError
from mainspring.domain.text.escaping import escape
from mainspring.domain.text.server_url import redact_url
from mainspring.resources.known_secrets import KNOWN_SECRETS

_SCHEMES = ("https", "http", "ssh", "file")
_SCP_FORM = re.compile(r"(?:[A-Za-z0-9_.][A-Za-z0-9_.-]*@)?[A-Za-z0-9][A-Za-z0-9.-]*:(?!:)[^\s\0-][^\s\0]*")
_REF = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+/@-]{0,199}", re.ASCII)
_FORM = 'Write such as "https://git.example.com/team/site.git", "git@git.example.com:team/site.git" or a path.'


class GitOptions(TypedDict, total=False):
    """The options of a connection to a remote.

    `credentials` = `"secret:NAME"`, whose value is USER:TOKEN, for https. `key_file` = the file of a private key for SSH, `known_hosts` =
    the file of the keys of hosts (default: that of the user); an unknown host is refused. `timeout` = the longest time of one command
    (10 minutes).
    """

    credentials: str
    key_file: str
    known_hosts: str
    timeout: SpanInput


class GitRemote(NamedTuple):
    """A remote. `url` has no password; `settings` are those of Git that signing in needs, `ssh_command` starts SSH."""

    url: str
    settings: dict[str, str]
    ssh_command: str

    @property
    def place(self) -> str:
        """The address for people."""
        return escape(redact_url(self.url), 200)


def read_remote(action: str, url: str, options: GitOptions) -> GitRemote:
    """Return a remote.

    Raises:
        ArgumentError: the address cannot be used.
        OptionError, UnknownOptionError, ConfigError: an option cannot be used, or its secret is not set.
    """
    require_known_options(action, options, GitOptions.__annotations__)
    address = read_url(url)
    settings = {"http.followRedirects": "initial"}
    source = options.get("credentials")
    if source is not None:
        settings = {"http.followRedirects": "false", **_make_header(address, source)}
    return GitRemote(address, settings, _make_ssh_command(options))


def read_url(url: object) -> str:
    """Return an address that Git reads as one, and as nothing else.

    Raises:
        ArgumentError: it is none, or has a password.
    """
    if not isinstance(url, str) or not url or not url.isprintable() or url.startswith("-"):
        raise ArgumentError(f"{escape(str(url), 100)!r} is not an address of a repository", hint=_FORM)
    if "://" not in url:
        if url.startswith(("/", "./", "../", "~")):
            return str(Path(url).expanduser().absolute())
        if _SCP_FORM.fullmatch(url):
            return url
        raise ArgumentError(f"{escape(url, 100)!r} is not an address of a repository", hint=_FORM)
    try:
        parts = urlsplit(url)
        has_password, host = parts.password is not None, parts.hostname
    except ValueError:
        raise ArgumentError("the address of the repository cannot be read", hint=_FORM) from None
    is_remote = parts.scheme in _SCHEMES and (host is not None or parts.scheme == "file") and " " not in url
    if not is_remote or (host or "").startswith("-") or (parts.username or "").startswith("-"):
        raise ArgumentError(f"{escape(redact_url(url), 100)!r} is not an address of a repository", hint=_FORM)
    if has_password or (parts.scheme.startswith("http") and parts.username is not None):
        raise ArgumentError(
            f"the address of a repository at {escape(str(host), 100)!r} has a user or a password",
            hint='Write credentials="secret:NAME", whose value is USER:TOKEN.',
        )
    return url


def read_ref(name: object, kind: str) -> str:
    """Return the name of a branch, a tag or a commit. Raises ArgumentError if Git could read it as anything else."""
    is_name = isinstance(name, str) and _REF.fullmatch(name) is not None
    text = str(name)
    if (
        not is_name
        or any(part in text for part in ("..", "//", "/.", "@{"))
        or text.endswith(("/", ".", ".lock"))
        or text in ("@", "HEAD")
    ):
        raise ArgumentError(f"{escape(text, 100)!r} is not the name of a {kind}", hint='Write such as "main".')
    return text


def _make_header(url: str, source: object) -> dict[str, str]:
    """Return the setting that signs in at the host of the address, and at no other."""
    parts = urlsplit(url)
    if parts.scheme != "https" and parts.hostname not in ("127.0.0.1", "localhost"):
        raise OptionError(
            "credentials= needs an address with https://", hint="With SSH, use key_file= or the agent of SSH."
        )
    value = read_secret_option("credentials", source, form="USER:TOKEN").strip()
    if ":" not in value or not value.isprintable():
        name = str(source).removeprefix(SECRET_PREFIX)
        raise ConfigError(f"the secret {name!r} has no credentials of Git", hint="Set it to USER:TOKEN.")
    header = b64encode(value.encode()).decode()
    KNOWN_SECRETS.add([value, value.partition(":")[2], header])
    return {f"http.{parts.scheme}://{parts.netloc}/.extraHeader": f"Authorization: Basic {header}"}


def _make_ssh_command(options: GitOptions) -> str:
    words = ["ssh", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", "-o", "ConnectTimeout=15"]
    if "key_file" in options:
        words += ["-o", "IdentitiesOnly=yes", "-o", f'IdentityFile="{_escape_path(options["key_file"])}"']
    if "known_hosts" in options:
        words += ["-o", f'UserKnownHostsFile="{_escape_path(options["known_hosts"])}"']
    return shlex.join(words)


def _escape_path(path: str) -> str:
    """Return a path as an option of SSH, which expands `%`. Raises OptionError if it cannot be written so."""
    text = str(Path(path).expanduser().absolute())
    if '"' in text or not text.isprintable():
        raise OptionError(
            f"SSH cannot use the path {escape(text, 200)!r}", hint="Name a file without quotes in its path."
        )
    return text.replace("%", "%%")
