"""Known secrets of this process, and the way in which it hides them: one for all of its output.

Role: code that reads a secret adds it here; code that writes text (lines of log, failures, the process's own output) redacts it here.
Invariant: an added value stays hidden until the process ends, even if it was replaced meanwhile. Any thread may use it.
"""

import threading
from collections.abc import Mapping, Sequence

from mainspring.domain.redaction.redactor import MIN_SECRET_LENGTH, Redactor
from mainspring.domain.redaction.secret_name import SECRET_VARIABLE_PREFIX

_MAX_SECRETS = 1_000
"""Values; a secret that changes more often is not worth hiding for ever."""


class KnownSecrets:
    """The known secrets. `redactor` hides those added so far."""

    def __init__(self) -> None:
        self.redactor = Redactor()
        self._values: dict[str, None] = {}
        self._lock = threading.Lock()

    def add(self, values: Sequence[str]) -> None:
        """Hide these values from now on."""
        long = [value for value in values if len(value) >= MIN_SECRET_LENGTH]
        if all(value in self._values for value in long):
            return
        with self._lock:
            self._values |= dict.fromkeys(long)
            for value in list(self._values)[:-_MAX_SECRETS]:
                del self._values[value]
            self.redactor = Redactor(self._values)

    def add_variables(self, env: Mapping[str, str]) -> None:
        """Hide the values of an environment's secrets."""
        self.add([value.strip() for name, value in env.items() if name.startswith(SECRET_VARIABLE_PREFIX)])

    def redact(self, text: str) -> str:
        """Return a text without secrets."""
        return self.redactor.redact(text)


KNOWN_SECRETS = KnownSecrets()
"""The known secrets of this process."""
