"""The one way in which an act reaches the store: command and audit row in one commit, a refusal as an error."""

from typing import Any

from mainspring.service.actor import Act
from mainspring.service.refusal import error_of
from mainspring.store.base import Store
from mainspring.store.commands.automations import Audited
from mainspring.store.commands.results import Refused


def perform(store: Store, act: Act, verb: str, subject: str, inner: Any, detail: dict[str, Any] | None = None) -> Any:
    """Commit `inner` as an act and return its answer; the same command id again returns the first answer.

    `subject` is "noun:name" ("run:r_..."), `detail` small JSON for whoever reads the audit log; never a secret or a whole value.

    Raises:
        NotFoundError, ConflictError, BusyError: the store refused.
    """
    answer = store.apply(audited(act, verb, subject, inner, detail))
    if isinstance(answer, Refused):
        raise error_of(answer, f"{verb} {subject}")
    return answer


def audited(act: Act, verb: str, subject: str, inner: Any, detail: dict[str, Any] | None = None) -> Audited:
    """Return the command that commits `inner` together with its audit row."""
    said = {name: value for name, value in (detail or {}).items() if value is not None}
    return Audited(act.command, str(act.actor), verb, subject, inner, act.reason, said or None)
