"""HashiCorp Vault and OpenBao: each secret is a field of one path in the KV engine, version 2."""

import re
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote, unquote

import msgspec

from mainspring.domain.errors import SecretProviderError
from mainspring.domain.redaction.secret_name import SECRET_NAME
from mainspring.domain.text.lazy_pattern import lazy_pattern
from mainspring.integrations.base.channel_address import is_loopback
from mainspring.integrations.base.secret_provider import SecretValue, require_name
from mainspring.integrations.secret_providers import VAULT_TOKEN_VARIABLES, ProviderPlace, SecretProviderKind
from mainspring.integrations.secrets.provider_address import Credential, CredentialPlace, ProviderAddress
from mainspring.integrations.secrets.vault_api import (
    LoginSignIn,
    SignIn,
    TokenSignIn,
    VaultApi,
    VaultResponse,
    VaultServer,
)

_URL = lazy_pattern(
    r"(?P<url>https?://(?P<host>[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?)(?:/(?P<path>.*))?", re.ASCII
)
_PATH = lazy_pattern(r"[A-Za-z0-9_.%~-]+(?:/[A-Za-z0-9_.%~-]+)*", re.ASCII)
_WORD = lazy_pattern(r"[A-Za-z0-9][A-Za-z0-9_./-]{0,199}", re.ASCII)
_ADDRESS_VARIABLES = ("BAO_ADDR", "VAULT_ADDR")
_SERVICE_ACCOUNT_TOKEN = "file:/var/run/secrets/kubernetes.io/serviceaccount/token"
_ALLOWED = {
    "token": set(),
    "approle": {"auth_mount", "role_id"},
    "kubernetes": {"auth_mount", "role"},
}
_COMMON = {"auth", "from", "namespace", "ca", "field"}


class VaultProvider:
    """The secrets below one path of a KV engine, version 2."""

    def __init__(self, name: str, api: VaultApi, mount: str, prefix: str, field: str) -> None:
        self.name = name
        self._api = api
        self._mount = quote(mount, safe="/")
        self._prefix = f"{quote(prefix, safe='/')}/" if prefix else ""
        self._field = field
        self._is_known_version = False

    def read(self, name: str) -> SecretValue | None:
        """Return the newest version; None if there is none, or it was deleted."""
        if not SECRET_NAME.fullmatch(name):
            return None
        fields, metadata = self._read_version(name, 0)
        if not metadata:
            self._require_second_version()
        if fields is None:
            return None
        version = int(metadata["version"])
        older_fields = self._read_version(name, version - 1)[0] if version > 1 else None
        older = (older_fields or {}).get(self._field)
        return SecretValue(
            self._pick_field(name, fields),
            version=str(version),
            previous=older if isinstance(older, str) else None,
            expires_at=_read_instant(metadata.get("deletion_time")),
        )

    def list_names(self) -> list[str] | None:
        """Return the names below the path."""
        response = self._api.call("GET", f"{self._mount}/metadata/{self._prefix}?list=true")
        self._check_mount(response)
        keys = (response.data.get("data") or {}).get("keys") or ()
        return sorted(str(key) for key in keys if SECRET_NAME.fullmatch(str(key)))

    def write(self, name: str, value: str) -> str:
        """Store a new version, unless another program stores one at the same time. Other fields of the path stay."""
        require_name(name, self.name)
        fields, metadata = self._read_version(name, 0)
        body = {
            "options": {"cas": int(metadata.get("version") or 0)},
            "data": {**(fields or {}), self._field: value},
        }
        response = self._api.call("POST", self._path(name), body)
        data = response.data.get("data") or {}
        if response.is_ok and "version" in data:
            return str(data["version"])
        if response.has_error("check-and-set"):
            raise self._api.server.error(
                f"someone else changed the secret {name!r} at the same time", "Check its value, then set it again."
            )
        raise self._api.server.error(
            f"the server does not accept the value of {name!r} ({response.status})", "Check its size and the mount."
        )

    def close(self) -> None:
        """Close the connections, and renew the token no more."""
        self._api.close()

    def _path(self, name: str) -> str:
        return f"{self._mount}/data/{self._prefix}{quote(name, safe='')}"

    def _read_version(self, name: str, version: int) -> tuple[dict[str, Any] | None, dict[str, Any]]:
        """Return the fields of a version (0 = the newest) and its metadata; None = it does not exist or was deleted."""
        response = self._api.call("GET", self._path(name) + (f"?version={version}" if version else ""))
        self._check_mount(response)
        data = response.data.get("data") or {}
        fields = data.get("data")
        return (fields if isinstance(fields, dict) else None), data.get("metadata") or {}

    def _pick_field(self, name: str, fields: dict[str, Any]) -> str:
        value = fields.get(self._field)
        if isinstance(value, str):
            return value
        if value is not None:
            problem = f"the field {self._field!r} of {name!r} is not text"
        else:
            known = ", ".join(sorted(str(field)[:40] for field in fields)[:8])
            problem = f"the secret {name!r} has no field {self._field!r} (its fields: {known})"
        raise self._api.server.error(problem, "Name the field in secrets.providers: field=NAME")

    def _check_mount(self, response: VaultResponse) -> None:
        if response.has_error("no handler for route"):
            raise self._api.server.error(
                f"there is no secrets engine at {unquote(self._mount)!r}", "List them: bao secrets list"
            )
        if response.status == 400 or not isinstance(response.data.get("data") or {}, dict):
            raise self._engine_error()

    def _require_second_version(self) -> None:
        """Raise SecretProviderError if the engine has version 1, where no secret is ever found. Asked once, if the token may ask."""
        if self._is_known_version:
            return
        try:
            response = self._api.call("GET", f"sys/internal/ui/mounts/{self._mount}")
        except SecretProviderError:
            return
        mount = response.data.get("data") or {}
        if response.is_ok and (mount.get("type"), (mount.get("options") or {}).get("version")) != ("kv", "2"):
            raise self._engine_error()
        self._is_known_version = response.is_ok

    def _engine_error(self) -> SecretProviderError:
        mount = unquote(self._mount)
        return self._api.server.error(
            f"the engine at {mount!r} is no KV engine of version 2",
            f"Check it: bao secrets list -detailed, then bao kv enable-versioning {mount}",
        )


def _read_instant(text: object) -> int | None:
    """Return an instant as the server writes it, with nanoseconds; None for an empty one."""
    try:
        return int(datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", str(text))).timestamp() * 1000)
    except ValueError:
        return None


class _VaultSettings(msgspec.Struct, frozen=True):
    """A parsed address. `url` = "" if the environment names the server; `credentials` = by the name of their field of the sign-in."""

    url: str
    mount: str
    prefix: str
    field: str
    namespace: str
    ca: str
    method: str
    auth_mount: str
    role_fields: dict[str, str]
    credentials: dict[str, CredentialPlace]


class VaultKind:
    """Secrets of Vault and OpenBao."""

    form = "vault:https://HOST:8200/MOUNT/PREFIX?auth=approle&role_id=ID&from=file:PATH"
    extra = ""
    is_local = False

    def check_address(self, rest: str) -> None:
        """Do nothing if this may follow the scheme."""
        _read_settings(ProviderAddress.of(rest, self.form))

    def open_provider(self, rest: str, place: ProviderPlace) -> VaultProvider:
        """Return the provider."""
        address = ProviderAddress.of(rest, self.form)
        settings = _read_settings(address)
        url = settings.url or _read_server_variable(address, place)
        ca = place.folder / settings.ca if settings.ca else None
        server = VaultServer(address.text, url, settings.namespace, ca)
        api = VaultApi(server, _make_sign_in(server, settings, place), place.hide)
        return VaultProvider(address.text, api, settings.mount, settings.prefix, settings.field)


def _read_settings(address: ProviderAddress) -> _VaultSettings:
    parameters = address.parameters(*sorted(set().union(_COMMON, *_ALLOWED.values())))
    is_whole = "://" in address.target
    match = _URL.fullmatch(address.target) if is_whole else None
    url = _check_url(address, match) if is_whole else ""
    path = ((match["path"] or "") if match is not None else address.target).strip("/")
    parts = [unquote(part) for part in path.split("/")]
    if not _PATH.fullmatch(path) or any(not part.strip(".") for name in parts for part in name.split("/")):
        raise address.invalid("it does not name the mount of a KV engine")
    method = parameters.get("auth", "token")
    if method not in _ALLOWED:
        raise address.invalid("auth= is token, approle or kubernetes")
    extra = parameters.keys() - _ALLOWED[method] - _COMMON
    if extra:
        raise address.invalid(f"{min(extra)}= does not belong to auth={method}")
    for name in ("auth_mount", "role_id", "role", "namespace", "field"):
        if name in parameters and not _WORD.fullmatch(parameters[name]):
            raise address.invalid(f"{name}= has characters that no name has")
    role_fields, credentials = _read_credentials(address, method, parameters)
    return _VaultSettings(
        url,
        parts[0],
        "/".join(parts[1:]),
        parameters.get("field", "value"),
        parameters.get("namespace", "").strip("/"),
        parameters.get("ca", ""),
        method,
        parameters.get("auth_mount", method),
        role_fields,
        credentials,
    )


def _read_credentials(
    address: ProviderAddress, method: str, parameters: dict[str, str]
) -> tuple[dict[str, str], dict[str, CredentialPlace]]:
    """Return the public fields of the sign-in, and the places of its credentials. `from=` names the place, whatever the method."""
    default = _SERVICE_ACCOUNT_TOKEN if method == "kubernetes" else ""
    source = parameters.get("from", default)
    if method == "token":
        return {}, ({"token": address.credential("from", source)} if source else {})
    role, field = ("role_id", "secret_id") if method == "approle" else ("role", "jwt")
    if role not in parameters or not source:
        raise address.invalid(f"auth={method} needs {role}={'' if source else ' and from='}")
    credential = address.credential("from", source)
    if method == "kubernetes":  # Kubernetes mounts the token so that each user of the pod can read it
        credential = msgspec.structs.replace(credential, is_public=True)
    return {role: parameters[role]}, {field: credential}


def _make_sign_in(server: VaultServer, settings: _VaultSettings, place: ProviderPlace) -> SignIn:
    credentials = {name: Credential(server.provider, source, place) for name, source in settings.credentials.items()}
    if settings.method != "token":
        return LoginSignIn(server, settings.method, settings.auth_mount, settings.role_fields, credentials)
    variable = next((name for name in VAULT_TOKEN_VARIABLES if place.env.get(name)), VAULT_TOKEN_VARIABLES[0])
    default = Credential(server.provider, CredentialPlace("from", variable, is_file=False), place)
    return TokenSignIn(server, credentials.get("token", default))


def _read_server_variable(address: ProviderAddress, place: ProviderPlace) -> str:
    text = next((place.env[name] for name in _ADDRESS_VARIABLES if place.env.get(name)), "")
    if not text:
        raise address.invalid("it names no server, and neither BAO_ADDR nor VAULT_ADDR is set")
    return _check_url(address, _URL.fullmatch(text.rstrip("/")))


def _check_url(address: ProviderAddress, match: re.Match[str] | None) -> str:
    if match is None:
        raise address.invalid("its server is not https://HOST:PORT")
    if match["url"].startswith("http:") and not is_loopback(match["host"]):
        raise address.invalid("http:// would send the token unencrypted; only a server on this machine may have it")
    return match["url"]


PROVIDER: Final[SecretProviderKind] = VaultKind()
