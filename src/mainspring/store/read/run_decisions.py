"""Read the decisions on one run: which results people gave, what settled its failure, and which newer run has its key."""

import msgspec

from mainspring.domain.effects.effect import CallOutcome
from mainspring.domain.effects.errors import EffectInDoubtError
from mainspring.domain.incidents.incident_members import Settlement
from mainspring.domain.states import EffectState, RunState
from mainspring.store.base import StoreReader
from mainspring.store.commands.results import Refused, Result
from mainspring.store.read.effects import list_calls_of_run, list_effects_of_run, read_effect
from mainspring.store.read.incidents import last_failures
from mainspring.store.schema.row import first_value
from mainspring.store.views import RunView

_MOST = 50
"""How many decisions of one run are read, newest first."""


class ManualResult(msgspec.Struct, frozen=True):
    """A result that a person or program gave in place of the code, at an instant (ms). `ident` = the step; None = the
    whole run.
    """

    ident: str | None
    by: str
    at: int
    reason: str | None


class RunSettlement(msgspec.Struct, frozen=True):
    """The settlement of a run's failure: how, when (ms), by which run or person, and the person's reason."""

    how: Settlement
    at: int | None
    by: str | None
    reason: str | None = None


class RunDecisions(msgspec.Struct, frozen=True):
    """The decisions on one run. `given` is newest first; `successor` = the newer run that its key belongs to ("" = not
    named).

    `is_undecided` = it failed, and nothing has settled that. `effect_happened` = whether the effects for which its step stopped happened,
    once each of them is decided; None before.
    """

    given: list[ManualResult] = []
    settlement: RunSettlement | None = None
    successor: str | None = None
    is_undecided: bool = False
    effect_happened: bool | None = None


NO_DECISIONS = RunDecisions()


def read_decisions(reader: StoreReader, run: RunView) -> RunDecisions:
    """Return the decisions on a run."""
    rows = reader.read("list_decisions_on_run", (f"run:{run.id}", _MOST))
    accepted = [
        (verb, *rest)
        for verb, *rest, result in rows
        if not isinstance(msgspec.json.decode(result, type=Result), Refused)
    ]
    given = [_manual_result(verb, *rest) for verb, *rest in accepted if verb != "discard"]
    if run.state is not RunState.FAILED:
        return RunDecisions(given, effect_happened=_read_effect_decision(reader, run))
    reason = next((reason for verb, _, _, reason, _ in accepted if verb == "discard"), None)
    last_failure = next(iter(last_failures(reader, [run.id])), None)
    settlement = None
    if last_failure is not None and last_failure.settled is not None:
        is_discarded = last_failure.settled is Settlement.DISCARDED
        settlement = RunSettlement(
            last_failure.settled, last_failure.settled_at, last_failure.settled_by, reason if is_discarded else None
        )
    successor = None
    if run.run_key is not None:
        owner = first_value(reader.read("find_run_of_key", (run.automation, run.run_key)), str)
        successor = owner if owner != run.id else None
    return RunDecisions(given, settlement, successor, last_failure is not None and settlement is None)


def _manual_result(verb: str, at: int, actor: str, reason: str | None, detail: bytes | None) -> ManualResult:
    ident = None if verb == "mark_done" else msgspec.json.decode(detail or b"{}").get("step")
    return ManualResult(ident, actor, at, reason)


def _read_effect_decision(reader: StoreReader, run: RunView) -> bool | None:
    """Return whether the effects in doubt of the step at which a run stopped happened; None while one of them is not decided."""
    if run.state is not RunState.NEEDS_ATTENTION or run.failure is None or run.failure.code != EffectInDoubtError.code:
        return None
    effects = [effect for effect in list_effects_of_run(reader, run.id) if effect.ident == run.failed_ident]
    if any(effect.state is not EffectState.DONE and effect.decided_by is None for effect in effects):
        return None
    if any(effect.decided_by is not None for effect in effects):
        return True
    calls = [call for call in list_calls_of_run(reader, run.id) if call.ident == run.failed_ident]
    is_forgotten = any(call.outcome is CallOutcome.UNKNOWN and read_effect(reader, call.key) is None for call in calls)
    return False if is_forgotten else None
