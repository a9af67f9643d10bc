"""The providers on this machine: an encrypted file, and a folder with a file for each secret."""

import json
from pathlib import Path
from typing import Any

import pyrage

from mainspring.domain.redaction.secret_name import SECRET_NAME
from mainspring.integrations.base.secret_provider import SecretProvider
from mainspring.integrations.secrets.age_secrets import AgeSecrets
from tests.secret_providers.target import SecretTarget


class AgeTarget(SecretTarget):
    """A file of age for each place; the second client is the library of age."""

    has_connection = has_older_version = False

    def open(self, prefix: str) -> SecretProvider:
        Path(self.folder, prefix).parent.mkdir(parents=True, exist_ok=True)
        provider = self.open_address(f"age:{prefix}.age")
        assert isinstance(provider, AgeSecrets)
        provider.init()
        return provider

    def put(self, prefix: str, name: str, value: str) -> None:
        if SECRET_NAME.fullmatch(name):  # a key of JSON may be any text, and no one writes such a one
            self.open(prefix).write(name, value)

    def get(self, prefix: str, name: str) -> Any:
        path = self.folder / f"{prefix}.age"
        lines = (path.with_suffix(".key")).read_text().splitlines()
        identity = pyrage.x25519.Identity.from_str(next(line for line in lines if not line.startswith("#")))
        secrets = json.loads(pyrage.decrypt(path.read_bytes(), [identity]))["secrets"]
        return secrets[name][0]["value"] if name in secrets else None


class FolderTarget(SecretTarget):
    """A folder; other programs write its files with mode 600. Blanks around a value are no part of it."""

    has_connection = has_older_version = has_blanks = False
    has_distinct_versions = False  # the millisecond of the change

    def open(self, prefix: str) -> SecretProvider:
        Path(self.folder, prefix).mkdir(mode=0o700, exist_ok=True, parents=True)
        return self.open_address(f"dir:{prefix}")

    def put(self, prefix: str, name: str, value: str) -> None:
        path = Path(self.folder, prefix, name)
        path.parent.mkdir(mode=0o700, exist_ok=True, parents=True)
        path.touch(0o600)
        path.write_text(value, encoding="utf-8")

    def get(self, prefix: str, name: str) -> Any:
        path = Path(self.folder, prefix, name)
        return path.read_text(encoding="utf-8") if path.is_file() else None
