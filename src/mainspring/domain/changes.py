"""What changed just before something failed: code, configuration and versions, and what people paused or let go on. Pure."""

import msgspec

from mainspring.domain.circumstance import CircumstanceChange, CircumstanceKind
from mainspring.domain.monitors.words import about

BEFORE_MS = 3_600_000
"""So long before a failure a change may have caused it."""
_SHOWN = 3
_FIRST = 1
_WAS = {"pause": "paused", "resume": "resumed", "retire": "retired"}


class Deployment(msgspec.Struct, frozen=True):
    """That code which no process had before was announced."""

    number: int
    at: int


class ActOnRecord(msgspec.Struct, frozen=True):
    """What a person or program did: `verb` pause, resume or retire, `subject` "automation:backup" or "queue:mail"."""

    at: int
    by: str
    verb: str
    subject: str


class Changes(msgspec.Struct, frozen=True):
    """All that changed in a while."""

    deployments: tuple[Deployment, ...] = ()
    acts: tuple[ActOnRecord, ...] = ()
    circumstances: tuple[CircumstanceChange, ...] = ()


def changed_before(
    changes: Changes, first_at: int, automation: str, queue: str, deploy: int, began_at: int | None = None
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
        and one.number != _FIRST
        and (one.at in own or (began_at is not None and began_at < one.at))
    ]
    found += own.items()
    for act in changes.acts:
        if act.subject in mine and act.verb in _WAS:
            kind, _, name = act.subject.partition(":")
            found.append(
                (act.at, f"{'it' if kind == 'automation' else f'queue {name}'} was {_WAS[act.verb]} by {act.by}")
            )
    found += [
        (change.at, change.text) for change in changes.circumstances if change.kind is not CircumstanceKind.DEFINITION
    ]
    just = sorted((one for one in found if first_at - BEFORE_MS <= one[0] <= first_at), reverse=True)
    return "; ".join(f"{text} {about(first_at - at)} before" for at, text in just[:_SHOWN])
