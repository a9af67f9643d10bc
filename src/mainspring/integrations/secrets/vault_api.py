"""The API of Vault and OpenBao: requests with a token, which is renewed before it ends and replaced when it was revoked.

Invariants: no error contains a token or the body of a response; no redirect is followed, for the token would follow it.
"""

import ssl
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn, Protocol

import msgspec

from mainspring.domain.clock import elapsed_seconds
from mainspring.domain.errors import SecretProviderError
from mainspring.integrations.secrets.provider_address import Credential

if TYPE_CHECKING:
    from httpx2 import Client, Response

TIMEOUT_S: Final = 10.0
_CONNECT_TIMEOUT_S = 5.0
_MAX_BYTES = 1024 * 1024
_RENEW_AFTER_SHARE = 2 / 3
_RETRY_AFTER_S = 1.0
_MIN_LEASE_S = 1.0
"""A token that is renewed for a shorter time has reached the end of its longest life."""
_FORBIDDEN, _NOT_FOUND, _TOO_MANY, _TEMPORARY_REDIRECT = 403, 404, 429, 307
_CREDENTIALS_REFUSED = frozenset({400, 401, 403, 404, 500})
"""Statuses of a refused sign-in: Kubernetes answers 403, AppRole 400, an unknown mount 403 or 404, a failed review of a token 500."""
_LOOKUP_REFUSED = frozenset({400, 403, 404})
"""Statuses of a look-up that the request of the secret explains: a refused token, a namespace that does not exist."""


class VaultServer(msgspec.Struct, frozen=True):
    """A server. `provider` = the address in the configuration, for errors; `ca` = a file of certificates, None = those of the machine."""

    provider: str
    url: str
    namespace: str = ""
    ca: Path | None = None

    def error(self, problem: str, hint: str, *, transient: bool = False) -> SecretProviderError:
        """Return an error about it."""
        return SecretProviderError(f"{problem}\nin {self.provider}", hint=hint, transient=transient)


class VaultResponse(msgspec.Struct, frozen=True):
    """A response: `data` = its JSON object. `is_json` = it has one, or no body, as each response of a Vault."""

    status: int
    data: dict[str, Any]
    is_json: bool

    @property
    def is_ok(self) -> bool:
        """Whether the request was accepted."""
        return 200 <= self.status < 300

    def has_error(self, text: str) -> bool:
        """Return whether an error of the server has a text in it."""
        return any(text in str(error) for error in self.data.get("errors") or ())


class TokenLease(msgspec.Struct, frozen=True):
    """A token. `lease_s` = seconds until it ends, 0 = never or unknown."""

    text: str
    lease_s: float
    is_renewable: bool

    @classmethod
    def of_sign_in(cls, response: VaultResponse) -> "TokenLease":
        """Return the token of a sign-in or renewal."""
        auth = response.data.get("auth") or {}
        return cls(
            str(auth.get("client_token") or ""), float(auth.get("lease_duration") or 0), bool(auth.get("renewable"))
        )


class SignIn(Protocol):
    """A method of signing in."""

    def sign_in(self, send: Callable[..., VaultResponse]) -> TokenLease:
        """Return a token. Raises SecretProviderError."""
        ...


class TokenSignIn(msgspec.Struct, frozen=True):
    """A token that someone else made; its place is read again when it is refused."""

    server: VaultServer
    token: Credential

    def sign_in(self, send: Callable[..., VaultResponse]) -> TokenLease:
        """Return the token, with the lease that the server reports. A token that may not look itself up is never renewed."""
        text = self.token.read()
        path = "auth/token/lookup-self"
        response = send("GET", path, token=text)
        if not response.is_ok and response.status not in _LOOKUP_REFUSED:  # without its lease it would not be renewed
            raise_for_status(self.server, response, path)
        data = response.data.get("data") or {}
        return TokenLease(text, float(data.get("ttl") or 0), bool(data.get("renewable")))


class LoginSignIn(msgspec.Struct, frozen=True):
    """A sign-in by a login of an auth method: AppRole or Kubernetes. `credentials` = the secret fields of its body, by name."""

    server: VaultServer
    method: str
    mount: str
    fields: Mapping[str, str]
    credentials: Mapping[str, Credential]

    def sign_in(self, send: Callable[..., VaultResponse]) -> TokenLease:
        """Return a new token."""
        secret_fields = {name: credential.read() for name, credential in self.credentials.items()}
        response = send("POST", f"auth/{self.mount}/login", {**self.fields, **secret_fields})
        token = TokenLease.of_sign_in(response)
        if response.is_ok and token.text:
            return token
        if not response.is_ok and response.status not in _CREDENTIALS_REFUSED:
            raise_for_status(self.server, response, f"the sign-in at auth/{self.mount}")
        places = " and ".join((*self.fields, "from"))
        raise self.server.error(
            f"the server refuses the sign-in by {self.method} ({response.status})",
            f"Check {places}, and that the method is enabled at auth/{self.mount}: bao auth list",
        )


class VaultApi:
    """Authenticated requests to one server. Any thread may call it."""

    def __init__(self, server: VaultServer, method: SignIn, hide: Callable[[str], object]) -> None:
        self.server = server
        self._method = method
        self._hide = hide
        self._lock = threading.RLock()
        self._client: Client | None = None
        self._token: TokenLease | None = None
        self._sign_ins = 0
        self._failure: SecretProviderError | None = None
        self._renew_at = float("inf")
        self._closed = threading.Event()
        self._renewal_changed = threading.Event()
        self._renewer: threading.Thread | None = None

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> VaultResponse:
        """Return the response, which is of 2xx or one of 400, 404 and 412.

        Raises:
            SecretProviderError: the server cannot be reached, its certificate, the token or the path is refused.
        """
        token = self._current_token()
        response = self._send(method, path, body, token=token.text)
        if response.status == _FORBIDDEN and not self._is_alive(token):
            token = self._replace_token(token)
            response = self._send(method, path, body, token=token.text)
        if response.status == _FORBIDDEN:
            self._raise_forbidden(path, token)
        if response.status == _NOT_FOUND and response.has_error("namespace not found"):
            raise self.server.error(
                f"there is no namespace {self.server.namespace!r}", "Correct namespace= in secrets.providers."
            )
        if response.status not in (400, _NOT_FOUND, 412) and not response.is_ok:
            raise_for_status(self.server, response, path)
        if not response.is_json:  # a proxy or another program, whose "not found" is no answer about a secret
            raise self.server.error(
                f"{self.server.url} does not answer like a Vault ({response.status}, no JSON)",
                f"Correct the address in secrets.providers: curl {self.server.url}/v1/sys/health",
            )
        return response

    def close(self) -> None:
        """Close the connections, and renew the token no more."""
        self._closed.set()
        self._renewal_changed.set()
        with self._lock:
            if self._client is not None:
                self._client.close()
            self._client = self._token = None
        if self._renewer is not None and self._renewer is not threading.current_thread():
            self._renewer.join(TIMEOUT_S)

    # ------------------------------------------------------------------------------------------------- the token

    def _current_token(self) -> TokenLease:
        known = self._sign_ins
        with self._lock:
            if self._token is not None:
                return self._token
            if (
                self._failure is not None and self._sign_ins > known
            ):  # of a thread before this one: no time-out for each
                raise SecretProviderError(
                    self._failure.message, hint=self._failure.hint, transient=self._failure.transient
                )
            return self._sign_in()

    def _replace_token(self, refused: TokenLease) -> TokenLease:
        """Return a token other than the refused one; another thread may have signed in before."""
        with self._lock:
            return self._sign_in() if self._token is None or self._token.text == refused.text else self._token

    def _sign_in(self) -> TokenLease:
        self._token = self._failure = None
        self._sign_ins += 1
        try:
            token = self._method.sign_in(self._send)
        except SecretProviderError as error:
            self._failure = error
            raise
        return self._keep_token(token)

    def _keep_token(self, token: TokenLease) -> TokenLease:
        self._hide(token.text)
        self._token = token
        self._renew_at = float("inf")
        if token.lease_s and token.is_renewable:
            self._renew_at = elapsed_seconds() + token.lease_s * _RENEW_AFTER_SHARE
            self._renewal_changed.set()
            if self._renewer is None and not self._closed.is_set():
                self._renewer = threading.Thread(target=self._renew_in_time, name="mainspring-vault", daemon=True)
                self._renewer.start()
        return token

    def _renew_in_time(self) -> None:
        while not self._closed.is_set():
            gap = self._renew_at - elapsed_seconds()
            if gap > 0:
                self._renewal_changed.wait(min(gap, threading.TIMEOUT_MAX))
                self._renewal_changed.clear()
                continue
            try:
                self._renew()
            except SecretProviderError:  # the next read reports it
                self._renew_at = elapsed_seconds() + _RETRY_AFTER_S

    def _renew(self) -> None:
        token = self._token
        if token is None:
            self._renew_at = float("inf")
            return
        response = self._send("POST", "auth/token/renew-self", {}, token=token.text)
        renewed = TokenLease.of_sign_in(response)
        with self._lock:
            if self._token is not token:
                return
            if response.is_ok and renewed.lease_s >= _MIN_LEASE_S:
                self._keep_token(renewed)
            elif response.is_ok or response.status in (400, _FORBIDDEN):
                self._sign_in()  # it was revoked, or has reached its longest life
            else:
                self._renew_at = elapsed_seconds() + _RETRY_AFTER_S

    def _is_alive(self, token: TokenLease) -> bool:
        return self._send("GET", "auth/token/lookup-self", token=token.text).is_ok

    def _raise_forbidden(self, path: str, token: TokenLease) -> NoReturn:
        if self._is_alive(token):
            raise self.server.error(
                f"the policy of the token does not allow {path}",
                f"Allow it: bao token capabilities {path} shows what the token may do.",
            )
        raise self.server.error(
            "the server refuses the token: it has ended, was revoked, or is of another server or namespace",
            "Make a new token and put it into the place that from= names, or sign in by auth=approle.",
        )

    # --------------------------------------------------------------------------------------------------- requests

    def _send(self, method: str, path: str, body: Mapping[str, Any] | None = None, *, token: str = "") -> VaultResponse:
        """Send one request and return its response, whatever its status."""
        import httpx2

        headers = {"x-vault-request": "true"}
        headers |= {"x-vault-token": token} if token else {}
        headers |= {"x-vault-namespace": self.server.namespace} if self.server.namespace else {}
        content = None if body is None else msgspec.json.encode(body)
        try:
            with self._connected().stream(
                method, f"{self.server.url}/v1/{path}", content=content, headers=headers
            ) as response:
                return self._read_response(response)
        except httpx2.HTTPError as error:
            raise self._connection_error(error) from None
        except (OSError, ValueError, RuntimeError) as error:  # a closed client is a RuntimeError
            raise self._connection_error(error) from None

    def _connected(self) -> "Client":
        with self._lock:
            if self._closed.is_set():
                raise self.server.error("it was closed", "Open it again.")
            if self._client is None:
                self._client = _open_client(self.server)
            return self._client

    def _read_response(self, response: "Response") -> VaultResponse:
        until = elapsed_seconds() + TIMEOUT_S
        body = bytearray()
        for part in response.iter_bytes(65_536):
            body += part
            if len(body) > _MAX_BYTES or elapsed_seconds() > until:
                limit = f"more than {_MAX_BYTES:,} bytes" if len(body) > _MAX_BYTES else f"longer than {TIMEOUT_S:g} s"
                raise self.server.error(f"the response of {self.server.url} is {limit}", "Check that it is a Vault.")
        decoded: object = {}
        try:
            decoded = msgspec.json.decode(bytes(body)) if body else {}
        except (msgspec.DecodeError, UnicodeDecodeError):
            return VaultResponse(response.status_code, {}, is_json=False)
        is_object = isinstance(decoded, dict)
        return VaultResponse(response.status_code, decoded if isinstance(decoded, dict) else {}, is_json=is_object)

    def _connection_error(self, error: Exception) -> SecretProviderError:
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, ssl.SSLCertVerificationError):
                return self.server.error(
                    f"the certificate of {self.server.url} is not trusted: {cause.verify_message}",
                    "Name the file of the authority that signed it: ca=/etc/ssl/bao-ca.pem in secrets.providers.",
                )
            cause = cause.__cause__ or cause.__context__
        # The text of other errors may quote a header.
        reason = str(error) if type(error).__name__ == "ConnectError" else type(error).__name__
        problem = "does not answer in time" if "Timeout" in reason else f"cannot be reached: {reason}"
        return self.server.error(
            f"{self.server.url} {problem}", f"Check that it runs: curl {self.server.url}/v1/sys/health", transient=True
        )


def raise_for_status(server: VaultServer, response: VaultResponse, path: str) -> NoReturn:
    """Raise the error for a response that neither accepts the request nor is about its content."""
    status = response.status
    if response.has_error("sealed"):
        raise server.error(f"{server.url} is sealed", "Unseal it: bao operator unseal", transient=True)
    if 300 <= status < 400:
        raise server.error(
            f"{server.url} redirects ({status}), which is not followed because the token would go along",
            "Write the address of the active server, or of its load balancer, in secrets.providers.",
            transient=status == _TEMPORARY_REDIRECT,
        )
    raise server.error(
        f"{server.url} answers {status} to {path}",
        f"Check it: curl {server.url}/v1/sys/health",
        transient=status == _TOO_MANY or status >= 500,
    )


def _open_client(server: VaultServer) -> "Client":
    import httpx2

    try:
        context = ssl.create_default_context(cafile=None if server.ca is None else str(server.ca))
    except (OSError, ssl.SSLError):
        raise server.error(
            f"the file of certificates {server.ca} cannot be read", "Correct ca= in secrets.providers: a PEM file."
        ) from None
    timeout = httpx2.Timeout(TIMEOUT_S, connect=_CONNECT_TIMEOUT_S)
    verify: Any = True if server.ca is None else context
    return httpx2.Client(timeout=timeout, follow_redirects=False, headers={"user-agent": "mainspring"}, verify=verify)
