"""The secrets that this process has seen, and the way in which it hides them: one for all of its outlets.

Role: whoever learns a secret tells it here; whoever lets text out (lines of log, failures, the process's own output) asks here.
Invariant: what was told once stays hidden until the process ends, also a value that was replaced meanwhile. Any thread may use it.
"""

import threading
from collections.abc import Mapping, Sequence

from mainspring.domain.redaction.redactor import MIN_SECRET_LENGTH, Redactor

SECRET_VARIABLE_PREFIX = "MAINSPRING_SECRET_"
"""Variables of the environment whose names begin so hold secrets."""
_MAX_SECRETS = 1_000
"""Values; a secret that changes more often than that is none that is worth hiding for ever."""


class KnownSecrets:
    """`redactor` hides what was told so far."""

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
"""That of this process."""
