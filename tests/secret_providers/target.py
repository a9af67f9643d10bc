"""What the suite of secret providers does with each kind: a real provider, and a second client that checks it."""

from pathlib import Path
from typing import Any

from mainspring.domain.clock import SystemClock
from mainspring.integrations.base.secret_provider import SecretProvider
from mainspring.integrations.secret_providers import ProviderPlace, open_providers

CREDENTIAL = "canary-credential-7f3a"
"""A credential that is refused, and that no error repeats."""


class SecretTarget:
    """One kind of provider. Subclasses start its server, if it has one, and read and write it by a client that is not ours."""

    has_versions = True
    has_distinct_versions = True
    has_older_version = True
    """Whether a plain write leaves the version before it valid."""
    has_list = True
    has_connection = True
    has_blanks = True

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.hidden: list[str] = []
        self._made = 0

    def place(self, **env: str) -> ProviderPlace:
        return ProviderPlace(self.folder, env, SystemClock().now, hide=self.hidden.append)

    def open_address(self, address: str, **env: str) -> SecretProvider:
        return open_providers([address], self.place(**env))[0]

    def new_prefix(self) -> str:
        self._made += 1
        return f"team{self._made}"

    def open(self, prefix: str) -> SecretProvider:
        """Return a provider that may read and write everything below a prefix."""
        raise NotImplementedError

    def open_refused(self, prefix: str) -> SecretProvider | None:
        """Return one whose credential is CREDENTIAL; None where there are no credentials."""
        return None

    def open_denied(self, prefix: str) -> SecretProvider | None:
        """Return one whose credential is valid and may read nothing; None where there are no rights."""
        return None

    def put(self, prefix: str, name: str, value: str) -> None:
        """Store a value by another client."""
        raise NotImplementedError

    def get(self, prefix: str, name: str) -> Any:
        """Read a value by another client; None if there is none."""
        raise NotImplementedError

    def cut(self) -> bool:
        """Make the server unreachable; False where there is none."""
        return False

    def restore(self) -> None:
        """Make it reachable again."""

    def remove(self) -> None:
        """End its server."""
