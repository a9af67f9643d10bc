"""Recent changes before a failure: code, configuration and versions, and what people paused or resumed. Pure."""

import msgspec

from mainspring.domain.runs.run_conditions import ConditionChange, ConditionKind
from mainspring.domain.text.phrases import format_span

CHANGE_WINDOW_MS = 3_600_000
"""A change may have caused a failure that comes within this time."""
_MAX_LISTED = 3
_FIRST_DEPLOYMENT = 1
_VERB_PARTICIPLES = {"pause": "paused", "resume": "resumed", "retire": "retired"}
_ROLLOUT_VERB = "rollout "
_ROLLOUT_PARTICIPLES = {
    "start": "started",
    "advance": "taken to its next step",
    "pause": "paused",
    "resume": "resumed",
    "finish": "finished",
    "abort": "aborted",
    "roll back": "rolled back",
}


class Deployment(msgspec.Struct, frozen=True):
    """An announcement of code that no process had before."""

    number: int
    at: int


class RecordedOperation(msgspec.Struct, frozen=True):
    """An operation by a person or program: `verb` pause, resume, retire or "rollout ...", `subject` "automation:backup" or "queue:mail"."""

    at: int
    by: str
    verb: str
    subject: str


class RecentChanges(msgspec.Struct, frozen=True):
    """All changes of a period."""

    deployments: tuple[Deployment, ...] = ()
    operations: tuple[RecordedOperation, ...] = ()
    conditions: tuple[ConditionChange, ...] = ()


def describe_changes(
    changes: RecentChanges, first_at: int, automation: str, queue: str, deploy: int, started_at: int | None = None
) -> str:
    """Return the changes in the hour before `first_at` of an automation whose code is that of deployment `deploy`; "" = nothing known.

    `started_at` = when its oldest run was started, None = unknown. Its first deployment changed nothing: there was nothing before it. The
    newest first, with the time from it to the failure: "deployment 7 was announced 12 min before".
    """
    own_subjects = {f"automation:{automation}", f"queue:{queue}"}
    own_changes = {change.at: change.text for change in changes.conditions if change.subject in own_subjects}
    changes_at = [
        (
            deployment.at,
            (
                f"deployment {deployment.number} was announced"
                f"{', and ' + own_changes.pop(deployment.at) if deployment.at in own_changes else ''}"
            ),
        )
        for deployment in changes.deployments
        if deployment.number == deploy
        and deployment.number != _FIRST_DEPLOYMENT
        and (deployment.at in own_changes or (started_at is not None and started_at < deployment.at))
    ]
    changes_at += own_changes.items()
    for operation in changes.operations:
        text = _describe_operation(operation) if operation.subject in own_subjects else None
        if text is not None:
            changes_at.append((operation.at, text))
    changes_at += [
        (change.at, change.text) for change in changes.conditions if change.kind is not ConditionKind.DEFINITION
    ]
    recent = sorted(
        (change for change in changes_at if first_at - CHANGE_WINDOW_MS <= change[0] <= first_at), reverse=True
    )
    return "; ".join(f"{text} {format_span(first_at - at)} before" for at, text in recent[:_MAX_LISTED])


def _describe_operation(operation: RecordedOperation) -> str | None:
    """Return an operation in words; None = it changes nothing that could explain a failure."""
    kind, _, name = operation.subject.partition(":")
    subject = "it" if kind == "automation" else f"queue {name}"
    participle = _VERB_PARTICIPLES.get(operation.verb)
    if operation.verb.startswith(_ROLLOUT_VERB):
        subject, participle = "its rollout", _ROLLOUT_PARTICIPLES.get(operation.verb.removeprefix(_ROLLOUT_VERB))
    return None if participle is None else f"{subject} was {participle} by {operation.by}"
