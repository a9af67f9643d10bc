"""A webhook as data: its path, its verifier, the key under which each delivery counts once, and the response to its sender."""

from datetime import timedelta
from enum import StrEnum
from typing import ClassVar

from mainspring.domain.triggers.trigger_source import TriggerSource
from mainspring.domain.triggers.webhooks.verifier_options import VerifierOptions

DEFAULT_RESULT_WAIT = timedelta(seconds=25)
"""How long a sender waits for a result: shorter than the 30 seconds after which most of them time out."""


class ResponseMode(StrEnum):
    """The response to the sender of a delivery."""

    RUN = "run"
    """202 with the ids of run and delivery, as soon as both are stored."""
    RESULT = "result"
    """The result of the run, if it ends within the wait; else the response of RUN."""
    NOTHING = "nothing"
    """200 without a body: for senders that would show it to a person."""


class Webhook(TriggerSource, frozen=True, kw_only=True, tag="webhook"):
    """One webhook. `key` = a template over {headers.NAME}, {data.NAME} and {name}; None: the id that its sender is known to send, else
    the body's hash.
    """

    required_options: ClassVar[tuple[str, ...]] = ("path",)
    further_options: ClassVar[tuple[str, ...]] = ("verify", "key", "respond", "wait", "max_body")

    path: str
    verify: VerifierOptions
    key: str | None = None
    respond: ResponseMode = ResponseMode.RUN
    wait: timedelta = DEFAULT_RESULT_WAIT
    """How long RESULT waits."""
    max_body: int | None = None
    """Bytes; None: the limit of the listener."""

    @property
    def source(self) -> str:
        """The source in a few words: "webhook /github"."""
        return f"webhook {self.path}"

    def describe(self) -> str:
        return f"webhook {self.path}"

    def secret_names(self) -> tuple[str, ...]:
        return self.verify.secrets
