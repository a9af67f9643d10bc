"""Perform an operation: commit the command and its audit row together; raise a refusal as an error."""

from collections.abc import Mapping

from mainspring.service.actor import OperationContext
from mainspring.service.reads import ServiceReads
from mainspring.service.refusal import error_for_refusal
from mainspring.store.base import Store
from mainspring.store.commands.automations import AuditedCommand
from mainspring.store.commands.base import Answer, StoreCommand
from mainspring.store.commands.results import Refused


def perform(
    store: Store,
    act: OperationContext,
    verb: str,
    subject: str,
    inner: StoreCommand[Answer | Refused],
    detail: Mapping[str, object] | None = None,
) -> Answer:
    """Commit `inner` as an operation and return its answer; the same command id again returns the first answer.

    `subject` is "noun:name" ("run:r_..."). `detail` is small JSON for readers of the audit log, never a secret or a whole value. A refusal
    is an answer too: a new try needs a new command id.

    Raises:
        NotFoundError, ConflictError, BusyError: the store refused.
    """
    return _require_accepted(store.apply(build_audited(act, verb, subject, inner, detail)), f"{verb} {subject}")


def build_audited(
    act: OperationContext,
    verb: str,
    subject: str,
    inner: StoreCommand[Answer | Refused],
    detail: Mapping[str, object] | None = None,
) -> AuditedCommand[Answer | Refused]:
    """Return the command that commits `inner` as an operation."""
    recorded_detail = {name: value for name, value in (detail or {}).items() if value is not None}
    return AuditedCommand(act.command, str(act.actor), verb, subject, inner, act.reason, recorded_detail or None)


def was_performed(reads: ServiceReads, act: OperationContext, verb: str, subject: str) -> bool:
    """Whether this operation was done before under its command id, for operations that read a state before they change it.

    Raises:
        NotFoundError, ConflictError, BusyError: it was refused before.
    """
    answer = reads.answer_of(act.command, verb, subject)
    return answer is not None and _require_accepted(answer, f"command {act.command}") is not None


def _require_accepted(answer: Answer | Refused, operation: str) -> Answer:
    if isinstance(answer, Refused):
        raise error_for_refusal(answer, operation)
    return answer
