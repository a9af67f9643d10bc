"""The secrets of verifiers; one that is not set or cannot be used is told in the log, and not with every request."""

import logging
import time

from mainspring.domain.errors import ConfigError
from mainspring.domain.triggers.webhooks.verification import explain_bad_secret
from mainspring.domain.triggers.webhooks.verifier import UnsignedVerifier, Verifier
from mainspring.resources.secret_store import SecretStore

_AGAIN_S = 60.0
_LOG = logging.getLogger("mainspring.web.hooks")


class VerifierSecrets:
    """Looks them up when they are needed: a file that was replaced counts for the next request."""

    def __init__(self, secrets: SecretStore) -> None:
        self._secrets = secrets
        self._told: dict[str, float] = {}

    def of(self, verifier: Verifier) -> tuple[str, ...] | None:
        """Return the values of all secrets that are set and can be used; None where none is, although one is needed.

        One bad line of several costs no sender anything who signs with another.
        """
        if isinstance(verifier, UnsignedVerifier):
            return ()
        found: list[str] = []
        for name in verifier.secrets:
            try:
                lines = self._secrets.lines(name)
            except ConfigError as error:
                self._tell(name, str(error))
                continue
            for place, line in enumerate(lines, 1):
                fault = explain_bad_secret(verifier, line)
                if fault is None:
                    found.append(line)
                else:
                    self._tell(name, f"value {place} of {len(lines)} of the secret {name!r} is left out: {fault}")
        return tuple(found) or None

    def missing(self, verifier: Verifier) -> str | None:
        """Return why no sender can be checked by a verifier, without telling it in the log; None if one can be."""
        if isinstance(verifier, UnsignedVerifier):
            return None
        faults: list[str] = []
        for name in verifier.secrets:
            try:
                lines = self._secrets.lines(name)
            except ConfigError as error:
                faults.append(error.message.splitlines()[0])
                continue
            found = [fault for line in lines if (fault := explain_bad_secret(verifier, line)) is not None]
            if len(found) < len(lines):
                return None
            faults.append(
                f"the secret {name!r} cannot be used: {found[0]}" if found else f"the secret {name!r} is empty"
            )
        return "; ".join(faults)

    def _tell(self, name: str, why: str) -> None:
        """Tell what is wrong with a secret, at most once a minute."""
        now = time.monotonic()
        if now - self._told.get(name, -_AGAIN_S) >= _AGAIN_S:
            self._told[name] = now
            _LOG.error("a webhook cannot check senders by it: %s", why)
