"""AWS Secrets Manager as moto serves it, with its own check of signatures and policies; boto3 is the second client."""

import sys
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import boto3
import pytest

from mainspring.integrations.base.secret_provider import SecretProvider
from tests.brokers.front import Front
from tests.brokers.server import BrokerServer
from tests.secret_providers.target import CREDENTIAL, SecretTarget

_REGION = "eu-central-1"


class _MotoServer(BrokerServer):
    name = "moto"

    def command(self) -> list[str | Path]:
        return [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]


class AwsTarget(SecretTarget):
    """A server in memory, reached through a port that can be cut off."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._server = _MotoServer()
        self._server.start()
        self._front = Front(self._server.port)
        self._patch = pytest.MonkeyPatch()
        self._use_keys("testing", "testing")
        self._client = self._make_client("secretsmanager")

    def _use_keys(self, key_id: str, key: str) -> None:
        """Put credentials where each program of AWS finds them, and nothing else."""
        for name, value in {"AWS_ACCESS_KEY_ID": key_id, "AWS_SECRET_ACCESS_KEY": key}.items():
            self._patch.setenv(name, value)
        self._patch.setenv("AWS_EC2_METADATA_DISABLED", "true")

    def _make_client(self, service: str) -> Any:
        return boto3.session.Session().client(
            service, region_name=_REGION, endpoint_url=f"http://127.0.0.1:{self._server.port}"
        )

    def _set_free_actions(self, number: str) -> None:
        """Let the server check signatures and policies after so many requests."""
        url = f"http://127.0.0.1:{self._server.port}/moto-api/reset-auth"
        urlopen(Request(url, number.encode(), {"content-type": "text/plain"}, method="POST")).close()

    def address(self, prefix: str) -> str:
        return f"aws:{_REGION}/{prefix}?endpoint=http://127.0.0.1:{self._front.port}"

    def open(self, prefix: str) -> SecretProvider:
        self._use_keys("testing", "testing")
        self._set_free_actions("inf")
        return self.open_address(self.address(prefix))

    def open_refused(self, prefix: str) -> SecretProvider:
        self._use_keys("AKIAIOSFODNN7EXAMPLE", CREDENTIAL)
        self._set_free_actions("0")
        return self.open_address(self.address(prefix))

    def open_denied(self, prefix: str) -> SecretProvider:
        iam = self._make_client("iam")
        iam.create_user(UserName=prefix)
        key = iam.create_access_key(UserName=prefix)["AccessKey"]
        iam.close()
        self._use_keys(key["AccessKeyId"], key["SecretAccessKey"])
        self._set_free_actions("0")
        return self.open_address(self.address(prefix))

    def put(self, prefix: str, name: str, value: str) -> None:
        entry = f"{prefix}/{name}"
        try:
            self._client.put_secret_value(SecretId=entry, SecretString=value)
        except self._client.exceptions.ResourceNotFoundException:
            self._client.create_secret(Name=entry, SecretString=value)

    def get(self, prefix: str, name: str) -> Any:
        try:
            return self._client.get_secret_value(SecretId=f"{prefix}/{name}")["SecretString"]
        except self._client.exceptions.ResourceNotFoundException:
            return None

    def cut(self) -> bool:
        self._front.cut()
        return True

    def restore(self) -> None:
        self._front.open()

    def remove(self) -> None:
        self._patch.undo()
        self._client.close()
        self._front.cut()
        self._server.remove()
