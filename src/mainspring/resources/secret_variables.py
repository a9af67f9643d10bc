"""Secret variables of the environment: commands and steps do not get them unless they are allowed by name.

One for a whole process. A worker removes them from its own environment, so that steps in threads and loops, and the programs they start,
do not get them either. Mainspring itself finds them in `own`.
"""

import os
from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping, MutableMapping

from mainspring.domain.redaction.secret_name import SECRET_VARIABLE_PREFIX

STORE_URL_VARIABLE = "MAINSPRING_STORE_URL"
STORE_WITHHELD_VARIABLE = "MAINSPRING_STORE_WITHHELD"
"""Set instead of the store's address, so that a command that calls mainspring reports it, and does not use another store by default."""
PASSWORD_VARIABLE = "PGPASSWORD"
_SECRET_VARIABLE_NAMES = (PASSWORD_VARIABLE, STORE_URL_VARIABLE)


class SecretVariables:
    """The secret variables of a process. `allowed` = the names that are passed on all the same."""

    def __init__(self) -> None:
        self.allowed: frozenset[str] = frozenset()
        self._credentials: frozenset[str] = frozenset()
        self._withheld: dict[str, str] = {}

    def allow(self, names: Iterable[str]) -> None:
        """Pass these variables on from now on, and those that were allowed before."""
        self.allowed |= frozenset(names)

    def withhold(self, names: Iterable[str]) -> None:
        """Do not pass these variables on either from now on, unless they are allowed: credentials of providers of secrets."""
        self._credentials |= frozenset(names)

    def names_in(self, env: Mapping[str, str]) -> list[str]:
        """Return the names of the variables that are not passed on."""
        reserved = self._credentials.union(_SECRET_VARIABLE_NAMES)
        return [
            name
            for name in env
            if (name in reserved or name.startswith(SECRET_VARIABLE_PREFIX)) and name not in self.allowed
        ]

    def take(self, env: MutableMapping[str, str]) -> None:
        """Remove the variables that are not passed on from this process's environment."""
        names = self.names_in(env)
        self._withheld |= {name: env.pop(name) for name in names}
        if STORE_URL_VARIABLE in names:
            env[STORE_WITHHELD_VARIABLE] = "1"

    def give_back(self, env: MutableMapping[str, str]) -> None:
        """Put them back into the environment, when this process runs no automation any more."""
        if STORE_URL_VARIABLE in self._withheld:
            env.pop(STORE_WITHHELD_VARIABLE, None)
        env.update(self._withheld)
        self._withheld = {}

    def own(self, env: Mapping[str, str]) -> Mapping[str, str]:
        """Return the original environment of this process, for Mainspring itself."""
        if not self._withheld:
            return env
        return ChainMap(
            self._withheld,
            {
                name: value
                for name, value in env.items()
                if name != STORE_WITHHELD_VARIABLE or STORE_URL_VARIABLE not in self._withheld
            },
        )

    def withheld_value(self, name: str) -> str | None:
        """Return the value of a variable that is not passed on; None for any other."""
        return self._withheld.get(name)

    def without(self, env: Mapping[str, str]) -> dict[str, str]:
        """Return an environment without them."""
        names = set(self.names_in(env))
        passed_on = {name: value for name, value in env.items() if name not in names}
        return passed_on | ({STORE_WITHHELD_VARIABLE: "1"} if STORE_URL_VARIABLE in names else {})


class OwnEnvironment(Mapping[str, str]):
    """The original environment of this process at each moment, as `SecretVariables.own` returns it."""

    def __getitem__(self, name: str) -> str:
        withheld = SECRET_VARIABLES.withheld_value(name)
        return os.environ[name] if withheld is None else withheld

    def __iter__(self) -> Iterator[str]:
        return iter(SECRET_VARIABLES.own(os.environ))

    def __len__(self) -> int:
        return len(SECRET_VARIABLES.own(os.environ))

    def __repr__(self) -> str:
        return "<environment>"


SECRET_VARIABLES = SecretVariables()
"""The variables of this process."""
OWN_ENVIRONMENT = OwnEnvironment()
