"""The keyring in a file of `keyrings.alt`: a real backend of the keyring library that needs no desktop."""

from pathlib import Path
from typing import Any

import pytest
from keyrings.alt.file import PlaintextKeyring

from mainspring.integrations.base.secret_provider import SecretProvider
from tests.secret_providers.target import SecretTarget

BACKEND = "keyrings.alt.file.PlaintextKeyring"


class KeyringTarget(SecretTarget):
    """Passwords in a file below the folder of the suite."""

    has_versions = has_list = False

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._patch = pytest.MonkeyPatch()
        self._patch.setenv("XDG_DATA_HOME", str(folder))

    def open(self, prefix: str) -> SecretProvider:
        return self.open_address(f"keyring:{prefix}?backend={BACKEND}")

    def put(self, prefix: str, name: str, value: str) -> None:
        PlaintextKeyring().set_password(prefix, name, value)

    def get(self, prefix: str, name: str) -> Any:
        return PlaintextKeyring().get_password(prefix, name)

    def remove(self) -> None:
        self._patch.undo()
