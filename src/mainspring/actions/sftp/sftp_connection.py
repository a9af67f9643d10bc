"""The connection of an SFTP action: its address, how it signs in, and the check of the server's key.

Invariants: the key of the server is compared with known ones before anything is sent, and no option turns that off; passwords and keys are
named, never written into addresses or arguments; the configuration of SSH of the user counts for nothing.
"""

import asyncio
import contextlib
import getpass
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict, TypeVar
from urllib.parse import unquote, urlsplit

from mainspring.actions.base.action_options import require_known_options
from mainspring.actions.base.project_settings import read_secret_option
from mainspring.actions.sftp.sftp_errors import SftpHostKeyError, SftpUnavailableError, make_sftp_error
from mainspring.domain.duration import SpanInput, parse_duration
from mainspring.domain.errors import ArgumentError, ConfigError, MainspringError, OptionError
from mainspring.domain.extras import install_command
from mainspring.domain.text.escaping import escape
from mainspring.domain.text.server_url import redact_url

if TYPE_CHECKING:
    from asyncssh import SFTPClient

T = TypeVar("T")
_PORT = 22
_CONNECT_TIMEOUT_S = 20
_FORM = 'Write such as "sftp://ann@files.example.com/in/report.csv"; "/~/" is the folder of the user.'


class SftpOptions(TypedDict, total=False):
    """The options of a connection to an SFTP server.

    `password`, `key`, `passphrase` = `"secret:NAME"` of a password, of the text of a private key, and of its passphrase. Without them the
    keys and the agent of the user are tried. `host_key` = the key of the server, such as "ssh-ed25519 AAAA...". `known_hosts` = the file
    with the keys of servers (default: ~/.ssh/known_hosts). An unknown key is refused. `timeout` = the longest silence of the server (60 s).
    """

    password: str
    key: str
    passphrase: str
    host_key: str
    known_hosts: str
    timeout: SpanInput


class SftpAddress(NamedTuple):
    """A file on a server. `path` is absolute, or relative to the folder of the user."""

    host: str
    port: int
    user: str
    path: str

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _PORT else f":{self.port}"
        return escape(f"sftp://{self.user}@{host}{port}/{self.path.lstrip('/')}", 300)

    @property
    def known_host(self) -> str:
        """The server as known_hosts names it."""
        return self.host if self.port == _PORT else f"[{self.host}]:{self.port}"


def read_sftp_address(text: object) -> SftpAddress:
    """Return an address, `sftp://USER@HOST:PORT/PATH`.

    Raises:
        ArgumentError: it is none, or has a password.
    """
    printable = escape(redact_url(text), 200) if isinstance(text, str) else type(text).__name__
    try:
        parts = urlsplit(text if isinstance(text, str) else "")
        port, host, password = parts.port or _PORT, parts.hostname, parts.password
    except ValueError:
        raise ArgumentError("the address of SFTP cannot be read", hint=_FORM) from None
    if password is not None:
        raise ArgumentError(f"the address {printable!r} has a password", hint='Write password="secret:NAME".')
    path = unquote(parts.path)
    path = path.removeprefix("/~/") if path.startswith("/~/") else path
    is_file = path.strip("/") and not path.endswith(("/", "/.", "/..")) and path not in (".", "..")
    if parts.scheme != "sftp" or not host or not is_file or "\0" in path or parts.query or parts.fragment:
        raise ArgumentError(f"{printable!r} is not the address of a file", hint=_FORM)
    return SftpAddress(host, port, unquote(parts.username or "") or getpass.getuser(), path)


class SftpLogin(NamedTuple):
    """How an action signs in: the arguments of asyncssh, and the known keys of the server."""

    arguments: dict[str, Any]
    known_hosts: Any
    timeout_s: float


def read_login(action: str, address: SftpAddress, options: SftpOptions) -> SftpLogin:
    """Return the login of a call; asyncssh is imported here.

    Raises:
        OptionError, UnknownOptionError: an option cannot be used.
        ConfigError: asyncssh is not installed, or a secret is not set.
        SftpHostKeyError: there is no file with known keys.
    """
    require_known_options(action, options, SftpOptions.__annotations__)
    try:
        import asyncssh
    except ModuleNotFoundError as missing:
        raise ConfigError(
            f"{action} needs {missing.name}, which is not installed", hint=install_command("sftp")
        ) from None
    values = {name: _read_secret(name, options) for name in ("password", "key", "passphrase")}
    arguments: dict[str, Any] = {"username": address.user, "config": None, "login_timeout": _CONNECT_TIMEOUT_S}
    try:
        if values["key"] is not None:
            arguments["client_keys"] = [asyncssh.import_private_key(values["key"], values["passphrase"])]
        elif values["password"] is not None:
            arguments |= {"password": values["password"], "client_keys": None}
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
        raise make_sftp_error(error, "sign in at", str(address)) from None
    if values["key"] is not None or values["password"] is not None:
        arguments["agent_path"] = None
    known = _read_known_hosts(address, options)
    try:
        known_hosts = asyncssh.import_known_hosts(known)
    except ValueError:
        raise OptionError("known_hosts= cannot be read", hint=_HOST_KEY_FORM) from None
    return SftpLogin(arguments, known_hosts, parse_duration(options.get("timeout", "60s")).total_seconds())


_HOST_KEY_FORM = 'Write such as host_key="ssh-ed25519 AAAAC3Nza...", as `ssh-keyscan HOST` prints it after the host.'


def _read_secret(name: str, options: SftpOptions) -> str | None:
    source = options.get(name)
    return None if source is None else read_secret_option(name, source)


def _read_known_hosts(address: SftpAddress, options: SftpOptions) -> str:
    """Return known keys of servers, as a file has them."""
    key = options.get("host_key")
    if key is not None:
        import asyncssh

        try:
            text = asyncssh.import_public_key(key).export_public_key().decode()
        except (asyncssh.KeyImportError, AttributeError):
            raise OptionError("host_key= is not a key of a server", hint=_HOST_KEY_FORM) from None
        return f"{address.known_host} {text}"
    path = Path(options.get("known_hosts", "~/.ssh/known_hosts")).expanduser()
    try:
        return path.read_text(encoding="utf-8", errors="surrogateescape")
    except FileNotFoundError:
        if "known_hosts" not in options:
            return ""
        raise OptionError(f"known_hosts= names no file: {path}", hint=_HOST_KEY_FORM) from None
    except OSError as error:
        raise OptionError(f"known_hosts= cannot be read: {path}: {error.strerror}") from None


class SftpSession:
    """An open session; each request is passed through `call`, which ends it if the server is silent for too long."""

    def __init__(self, client: "SFTPClient", login: SftpLogin, verb: str, place: str) -> None:
        self.client = client
        self._timeout_s = login.timeout_s
        self._verb = verb
        self._place = place

    async def call(self, request: Awaitable[T]) -> T:
        """Return the answer to a request.

        Raises:
            SftpUnavailableError: there was none in time.
        """
        try:
            async with asyncio.timeout(self._timeout_s):
                return await request
        except TimeoutError as error:
            raise make_sftp_error(error, self._verb, self._place) from None

    @contextlib.asynccontextmanager
    async def removing(self, part: str) -> AsyncIterator[None]:
        """Remove a temporary file of the server if the block is cancelled or fails in a way that a retry cannot fix."""
        try:
            yield
        except BaseException as error:
            if not isinstance(error, Exception) or not self._is_transient(error):
                with contextlib.suppress(Exception):  # the reason of the end matters more
                    await self.call(self.client.remove(part))
            raise

    def _is_transient(self, error: Exception) -> bool:
        problem = error if isinstance(error, MainspringError) else make_sftp_error(error, self._verb, self._place)
        return isinstance(problem, SftpUnavailableError)


@contextlib.asynccontextmanager
async def open_sftp(address: SftpAddress, login: SftpLogin, verb: str) -> AsyncIterator[SftpSession]:
    """Open a session, and raise errors of asyncssh in the block as errors of an action.

    After an error the connection is cut: a server that is silent would not answer the requests to close it.

    Raises:
        SftpHostKeyError: the key of the server is not known, or another one.
        SftpActionError, SftpUnavailableError: the server cannot be reached, or refuses it.
    """
    import asyncssh

    presented: list[str] = []

    class KeyReader(asyncssh.SSHClient):
        """Reads the key that the server presents if it is none of the known ones."""

        def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
            presented.append(key.get_fingerprint())
            return False

    try:
        connection = await asyncssh.connect(
            address.host,
            address.port,
            client_factory=KeyReader,
            known_hosts=login.known_hosts,
            keepalive_interval=login.timeout_s / 3,
            connect_timeout=_CONNECT_TIMEOUT_S,
            **login.arguments,
        )
        try:
            async with asyncio.timeout(login.timeout_s):
                client = await connection.start_sftp_client()
            yield SftpSession(client, login, verb, str(address))
        finally:
            connection.abort()
    except MainspringError:
        raise
    except asyncssh.HostKeyNotVerifiable as error:
        raise _make_host_key_error(address, login, presented, str(error)) from None
    except (asyncssh.Error, OSError) as error:
        raise make_sftp_error(error, verb, str(address)) from None


def _make_host_key_error(address: SftpAddress, login: SftpLogin, presented: list[str], reason: str) -> SftpHostKeyError:
    fingerprint = presented[0] if presented else escape(reason, 200)
    known = [key.get_fingerprint() for key in login.known_hosts.match(address.host, "", address.port)[0]]
    if known:
        return SftpHostKeyError(
            f"{address.known_host} has another key than before: {fingerprint}, expected {' or '.join(known)}",
            hint="Ask its owner whether the key was changed. If not, another server answers in its place. Nothing was sent.",
        )
    return SftpHostKeyError(
        f"the key of {address.known_host} is not known: {fingerprint}",
        hint='Compare it with the one that its owner publishes, then pass host_key="ssh-ed25519 AAAA...", or add it to '
        "known_hosts. Nothing was sent.",
    )
