"""Secrets of an attempt: each value that its code gets is on record."""

import asyncio

import pytest

from mainspring.domain.clock import SystemClock
from mainspring.domain.failures.classifier import Classifier
from mainspring.domain.values.function_signature import read_signature
from mainspring.engine.attempts.attempt_end import AttemptEnd
from mainspring.engine.attempts.attempt_host import AttemptHost
from mainspring.engine.attempts.attempt_reports import SecretUsesReport
from mainspring.engine.attempts.attempt_spec import AttemptSpec
from mainspring.engine.attempts.live_attempt import LiveAttempt
from mainspring.engine.attempts.step_context import AttemptClosed
from mainspring.integrations.secrets.env_secrets import EnvSecrets
from mainspring.resources.attempt_secrets import AttemptSecrets
from mainspring.resources.secret_store import ProviderEntry, SecretStore


def step() -> None:
    """Do nothing."""


class SlowSecrets(EnvSecrets):
    """A provider that calls `during_read` before its answer, once."""

    def during_read(self):
        """Do nothing."""

    def read(self, name):
        self.during_read()
        return super().read(name)


@pytest.fixture
def provider():
    return SlowSecrets({"MAINSPRING_SECRET_A": "value-of-secret-a", "MAINSPRING_SECRET_B": "value-of-secret-b"})


@pytest.fixture
def started(provider):
    """An attempt, and the uses that it reports."""
    uses, loop = [], asyncio.new_event_loop()
    secrets = AttemptSecrets(
        SecretStore([ProviderEntry(provider, is_local=True)]), lambda _name, _version: None, "worker"
    )

    def on_report(spec, kind, report):
        if isinstance(report, SecretUsesReport):
            uses.extend(use.secret for use in report.uses)

    host = AttemptHost(loop, Classifier(), SystemClock(), on_report, 5.0, secrets)
    spec = AttemptSpec(
        run_id="r1", ident="s", name="s", key="k", attempt=1, fn=step, signature=read_signature(step), input=b"{}"
    )
    yield LiveAttempt(host, spec, lambda end: None), uses
    loop.close()


def test_value_that_arrives_after_the_end_is_not_returned(started, provider):
    """As when a time-out abandons a thread that waits for a provider: its use would be on no record."""
    attempt, uses = started
    assert attempt.read_secret("A", None).value == "value-of-secret-a"
    provider.during_read = lambda: attempt.finish(AttemptEnd(duration_us=1))
    with pytest.raises(AttemptClosed):
        attempt.read_secret("B", None)
    assert uses == ["A"]
