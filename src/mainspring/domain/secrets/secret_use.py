"""Use of a secret: who had which version, for what. It never has a value."""

from typing import Protocol, runtime_checkable

import msgspec


class SecretUse(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a secret, used by a step of an automation, or by a part of Mainspring (`automation` "").

    `actor` = the process or program that read it. `version` "" = the provider has no versions.
    """

    secret: str
    version: str
    provider: str
    actor: str
    automation: str = ""
    step: str = ""


class SecretRead(msgspec.Struct, frozen=True):
    """A value that was read, which its repr hides, and where it comes from."""

    value: str
    version: str
    provider: str

    def __repr__(self) -> str:
        return f"<value of {self.provider}, version {self.version!r}>"


@runtime_checkable
class RenewingReader(Protocol):
    """Reads a secret past the cache: `instead_of` = a value that a target refused. Raises ConfigError if it is not set."""

    def read(self, name: str, *, instead_of: str | None = None) -> SecretRead: ...
