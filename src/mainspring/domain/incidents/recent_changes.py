"""What changed just before something failed: code, configuration and versions, and what people paused or let go on. Pure."""

import msgspec

from mainspring.domain.runs.run_conditions import ConditionChange, ConditionKind
from mainspring.domain.text.phrases import format_span

CHANGE_WINDOW_MS = 3_600_000
"""So long before a failure a change may have caused it."""
_SHOWN = 3
_FIRST_DEPLOYMENT = 1
_VERB_PARTICIPLES = {"pause": "paused", "resume": "resumed", "retire": "retired"}


class Deployment(msgspec.Struct, frozen=True):
    """That code which no process had before was announced."""

    number: int
    at: int


class RecordedOperation(msgspec.Struct, frozen=True):
    """What a person or program did: `verb` pause, resume or retire, `subject` "automation:backup" or "queue:mail"."""

    at: int
    by: str
    verb: str
    subject: str


class RecentChanges(msgspec.Struct, frozen=True):
    """All that changed in a while."""

    deployments: tuple[Deployment, ...] = ()
    acts: tuple[RecordedOperation, ...] = ()
    circumstances: tuple[ConditionChange, ...] = ()


def describe_changes(
    changes: RecentChanges, first_at: int, automation: str, queue: str, deploy: int, began_at: int | None = None
) -> str:
    """Return what changed in the hour before `first_at` of an automation whose code is that of deployment `deploy`; "" = nothing known.

    `began_at` = when its oldest run was started, None = unknown. Its first deployment changed nothing: there was nothing before it.
    The newest first, with the time from it to the failure: "deployment 7 was announced 12 min before".
    """
    mine = {f"automation:{automation}", f"queue:{queue}"}
    own = {one.at: one.text for one in changes.circumstances if one.subject in mine}
    found = [
        (one.at, f"deployment {one.number} was announced{', and ' + own.pop(one.at) if one.at in own else ''}")
        for one in changes.deployments
        if one.number == deploy
        and one.number != _FIRST_DEPLOYMENT
        and (one.at in own or (began_at is not None and began_at < one.at))
    ]
    found += own.items()
    for act in changes.acts:
        if act.subject in mine and act.verb in _VERB_PARTICIPLES:
            kind, _, name = act.subject.partition(":")
            found.append(
                (
                    act.at,
                    f"{'it' if kind == 'automation' else f'queue {name}'} was {_VERB_PARTICIPLES[act.verb]} by {act.by}",
                )
            )
    found += [
        (change.at, change.text) for change in changes.circumstances if change.kind is not ConditionKind.DEFINITION
    ]
    just = sorted((one for one in found if first_at - CHANGE_WINDOW_MS <= one[0] <= first_at), reverse=True)
    return "; ".join(f"{text} {format_span(first_at - at)} before" for at, text in just[:_SHOWN])
