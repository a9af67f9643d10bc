"""Secrets of verifiers. A secret that is not set or unusable is logged, at most once a minute."""

import logging
import time

from mainspring.domain.errors import ConfigError
from mainspring.domain.triggers.webhooks.verifier_options import VerifierOptions
from mainspring.integrations.verifiers import find_verifier
from mainspring.resources.secret_store import SecretStore

_AGAIN_S = 60.0
_LOG = logging.getLogger("mainspring.web.hooks")


class VerifierSecrets:
    """The secrets, read when they are needed: a replaced file counts for the next request."""

    def __init__(self, secrets: SecretStore) -> None:
        self._secrets = secrets
        self._logged_at: dict[str, float] = {}

    def of(self, options: VerifierOptions) -> tuple[str, ...] | None:
        """Return all usable values of a verifier's secrets; None if it needs one and there is none.

        One bad line of several does not affect a sender who signs with another.
        """
        verifier = find_verifier(options.kind)
        if not verifier.checks_sender:
            return ()
        values: list[str] = []
        for name in options.secrets:
            try:
                lines = self._secrets.lines(name)
            except ConfigError as error:
                self._log_fault(name, str(error))
                continue
            for number, line in enumerate(lines, 1):
                fault = verifier.explain_bad_secret(line)
                if fault is None:
                    values.append(line)
                else:
                    self._log_fault(name, f"value {number} of {len(lines)} of the secret {name!r} is ignored: {fault}")
        return tuple(values) or None

    def missing(self, options: VerifierOptions) -> str | None:
        """Return why no sender can be verified, without logging it; None if one can be."""
        verifier = find_verifier(options.kind)
        if not verifier.checks_sender:
            return None
        faults: list[str] = []
        for name in options.secrets:
            try:
                lines = self._secrets.lines(name)
            except ConfigError as error:
                faults.append(error.message.splitlines()[0])
                continue
            line_faults = [fault for line in lines if (fault := verifier.explain_bad_secret(line)) is not None]
            if len(line_faults) < len(lines):
                return None
            faults.append(
                f"the secret {name!r} cannot be used: {line_faults[0]}"
                if line_faults
                else f"the secret {name!r} is empty"
            )
        return "; ".join(faults)

    def _log_fault(self, name: str, reason: str) -> None:
        """Log why a secret is unusable, at most once a minute."""
        now = time.monotonic()
        if now - self._logged_at.get(name, -_AGAIN_S) >= _AGAIN_S:
            self._logged_at[name] = now
            _LOG.error("a webhook cannot verify its senders: %s", reason)
