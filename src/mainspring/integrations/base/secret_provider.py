"""The protocol of secret providers: where secrets come from, each by the scheme of its address in `secrets.providers`."""

from typing import Protocol, runtime_checkable

import msgspec

from mainspring.domain.errors import SecretProviderError
from mainspring.domain.redaction.secret_name import SECRET_NAME, SECRET_NAME_HINT

__all__ = ["LiveVersion", "RotatingProvider", "SecretProvider", "SecretProviderError", "SecretValue"]


class SecretValue(msgspec.Struct, frozen=True):
    """The value of a secret, which its repr hides.

    `version` = the id of the version at the provider, "" if it is not known. `previous` = an older version that is still valid, if the
    provider knows one. `expires_at` = the instant from which the value is not valid any more.
    """

    value: str
    version: str = ""
    previous: str | None = None
    expires_at: int | None = None

    def __repr__(self) -> str:
        return f"<SecretValue version={self.version!r}>"


class SecretProvider(Protocol):
    """One source of secrets. `name` = its address as in the configuration, which holds no secret.

    Any thread may call it, several at once.
    """

    name: str

    def read(self, name: str) -> SecretValue | None:
        """Return the secret; None if this provider has no such secret.

        Raises:
            SecretProviderError: it cannot be read: what is wrong, where, and how to fix it; never a value.
        """
        ...

    def list_names(self) -> list[str] | None:
        """Return the names of all secrets, None if this provider cannot list them. Raises SecretProviderError."""
        ...

    def write(self, name: str, value: str) -> str:
        """Store a new value and return its version.

        Raises:
            SecretProviderError: it cannot be stored, or this provider is read-only.
        """
        ...

    def close(self) -> None:
        """Close connections."""
        ...


@runtime_checkable
class RemovingProvider(SecretProvider, Protocol):
    """A provider from which Mainspring can remove a secret."""

    def remove(self, name: str) -> None:
        """Delete all versions of a secret. Raises SecretProviderError."""
        ...


class LiveVersion(msgspec.Struct, frozen=True):
    """A stored version without its value: when it was written, and when its grace time ends (None = it is current)."""

    version: str
    written_at: int
    retired_at: int | None


@runtime_checkable
class RotatingProvider(SecretProvider, Protocol):
    """A provider that stores an older version for a grace time."""

    def rotate(self, name: str, value: str, *, grace_ms: int) -> str:
        """Make this the current version and return it; the one before it stays live for a grace time. Raises SecretProviderError."""
        ...

    def live_versions(self, name: str) -> list[LiveVersion]:
        """Return the stored versions, the current one first. Raises SecretProviderError."""
        ...

    def retire(self, name: str) -> list[str]:
        """Delete the versions whose grace time is over, and return them. Raises SecretProviderError."""
        ...


def require_name(name: str, provider: str) -> None:
    """Raise SecretProviderError if a secret cannot have this name: it could lead out of the place of a provider."""
    if not SECRET_NAME.fullmatch(name):
        raise SecretProviderError(
            f"{name[:100]!r} is not a valid name of a secret\nin {provider}", hint=SECRET_NAME_HINT
        )
