"""Views of effects: a line of a list, and all facts of one effect with the commands that a person may run."""

from collections.abc import Sequence

import msgspec

from mainspring.domain.effects.decision import settled_instant
from mainspring.domain.effects.effect import DECIDED_BY_PARTS, EffectRecord, Recovery
from mainspring.domain.states import EffectState, RunState
from mainspring.insight.runs.suggested_commands import SuggestedCommand, doubt_commands
from mainspring.insight.text.formatting import shell_word
from mainspring.store.read.effects import changed_at
from mainspring.store.schema.effects.effect_calls import EffectCallRow
from mainspring.store.views import RunView

UNPROVEN_STATES = (EffectState.UNKNOWN, EffectState.IN_DOUBT)
"""States in which a person may confirm that the effect happened."""


class EffectLine(msgspec.Struct, frozen=True):
    """An effect in a list. `at` = its last change; `ident` = the step of `run` that had it last. `skips` counts `suppressed` calls too.

    `is_held` = a live holder performs it now. A pending effect that no one holds is decided by the next call.
    """

    key: str
    state: EffectState
    is_held: bool
    at: int
    owner: str
    automation: str | None
    run: str | None
    ident: str | None
    within_ms: int | None
    window_ends_at: int | None
    skips: int
    suppressed: int
    note: str | None
    decided_by: str | None


class EffectDetail(msgspec.Struct, frozen=True):
    """All facts of an effect. `id` = its idempotency key; `identity` and `result` are JSON; `refused` = why the result is not saved.

    `is_held` = a live holder performs it now. `processes` = those that still do if the holder's own process has ended. `calls` = those by
    steps, newest first. `can` = commands for a person.
    """

    key: str
    id: str
    state: EffectState
    recovery: Recovery
    owner: str
    is_held: bool
    processes: list[int]
    automation: str | None
    run: str | None
    ident: str | None
    attempt: int | None
    started_at: int
    settled_at: int | None
    within_ms: int | None
    window_ends_at: int | None
    skips: int
    suppressed: int
    skipped_at: int | None
    identity: bytes
    result: bytes | None
    refused: str | None
    note: str | None
    decided_by: str | None
    next: str
    calls: list[EffectCallRow]
    can: list[SuggestedCommand]


class RunEffect(msgspec.Struct, frozen=True):
    """A call of an effect by a step of a run. `outcome` = a CallOutcome; while none is recorded, the state of the effect.

    `state` = that of the key now, if this run was the last that had it.
    """

    key: str
    outcome: str
    at: int
    ident: str
    attempt: int
    note: str | None
    state: EffectState | None


def list_run_effects(calls: list[EffectCallRow], effects: Sequence[EffectRecord]) -> list[RunEffect]:
    """Return the calls of a run's steps, oldest first: those on record, then those whose outcome was never reported."""
    states = {effect.key: effect.state for effect in effects}
    recorded = {(call.key, call.id, call.ident, call.attempt) for call in calls}
    listed = [
        RunEffect(call.key, call.outcome.value, call.at, call.ident, call.attempt, call.note, states.get(call.key))
        for call in calls
    ]
    for effect in effects:
        ident, attempt = effect.ident or "", effect.attempt or 0
        if (effect.key, effect.id, ident, attempt) not in recorded:
            state = effect.state
            listed.append(RunEffect(effect.key, state.value, changed_at(effect), ident, attempt, effect.note, state))
    return listed


def make_effect_line(effect: EffectRecord, dead: frozenset[int], now: int) -> EffectLine:
    """Return an effect for a list. `dead` = sessions whose process has ended."""
    return EffectLine(
        key=effect.key,
        state=effect.state,
        is_held=effect.state is EffectState.PENDING and effect.session not in dead,
        at=changed_at(effect),
        owner=effect.owner,
        automation=effect.automation,
        run=effect.run,
        ident=effect.ident,
        within_ms=effect.within_ms,
        window_ends_at=find_window_end(effect, now),
        skips=effect.skips,
        suppressed=effect.suppressed,
        note=effect.note,
        decided_by=effect.decided_by,
    )


def make_effect_detail(
    effect: EffectRecord,
    calls: list[EffectCallRow],
    *,
    is_held: bool,
    processes: list[int],
    run: RunView | None,
    now: int,
) -> EffectDetail:
    """Return all facts of an effect, whose values are opened. `run` = that of its last holder, None without one."""
    return EffectDetail(
        key=effect.key,
        id=effect.id,
        state=effect.state,
        recovery=effect.recovery,
        owner=effect.owner,
        is_held=is_held,
        processes=processes,
        automation=effect.automation,
        run=effect.run,
        ident=effect.ident,
        attempt=effect.attempt,
        started_at=effect.started_at,
        settled_at=effect.settled_at,
        within_ms=effect.within_ms,
        window_ends_at=find_window_end(effect, now),
        skips=effect.skips,
        suppressed=effect.suppressed,
        skipped_at=effect.skipped_at,
        identity=effect.identity,
        result=effect.result,
        refused=effect.refused,
        note=effect.note,
        decided_by=effect.decided_by,
        next=describe_next(effect, now, is_held=is_held),
        calls=calls,
        can=list_commands(effect, is_held=is_held, run=run),
    )


def find_window_end(effect: EffectRecord, now: int) -> int | None:
    """Return when the window of a settled effect ends, None without one. A call may ask for a shorter window."""
    if effect.within_ms is None or effect.state is EffectState.PENDING:
        return None
    return settled_instant(effect, now) + effect.within_ms


def describe_next(effect: EffectRecord, now: int, *, is_held: bool) -> str:
    """Return what the next call of the key does, in one sentence."""
    window_end = find_window_end(effect, now)
    if is_held:
        return "Other calls of this key wait for its holder."
    if effect.state is EffectState.PENDING:
        return "Its holder has ended: the next call decides by its own options. Without check= and keyed=True it fails."
    if window_end is not None and window_end <= now:
        return "Its window is over: the next call performs a new effect."
    if effect.state is EffectState.DONE:
        result = "gets the result on record" if effect.result is not None else "gets None: no result is on record"
        return f"The next call is skipped and {result}."
    if effect.state is EffectState.IN_DOUBT:
        return "The next call fails until a person decides, unless it has check= or keyed=True."
    if effect.decided_by == DECIDED_BY_PARTS:
        return "Parts of it are on record: the next call skips them and performs the rest."
    if effect.decided_by is not None:
        return "A person decided that it did not happen: the next call performs it, under the same idempotency key."
    recovery = "asks the target" if effect.recovery is Recovery.CHECK else "repeats it under the same idempotency key"
    return f"The next call {recovery}."


def list_commands(effect: EffectRecord, *, is_held: bool, run: RunView | None) -> list[SuggestedCommand]:
    """Return the commands that a person may run now."""
    word = shell_word(effect.key)
    commands, later = [], ""
    if effect.run is not None and is_held:
        return [SuggestedCommand(f"mainspring explain {effect.run}", "Show what its step does now.")]
    if is_held:
        return []
    if run is not None and run.state is RunState.NEEDS_ATTENTION and run.failed_ident == effect.ident:
        if effect.state in UNPROVEN_STATES and effect.decided_by is None:
            later = f" Then continue its run: mainspring runs retry {run.id}"
            commands += [
                SuggestedCommand(
                    command.command, f"{command.does[0].upper()}{command.does[1:]}. Settles the effect too."
                )
                for command in doubt_commands(run.id, shell_word(effect.ident or ""), effect.ident or "")
            ]
        else:
            commands.append(SuggestedCommand(f"mainspring runs retry {run.id}", "Continue its run."))
    if effect.state is not EffectState.DONE:
        does = f"If it happened: record it as done.{later}"
        commands.append(SuggestedCommand(f"mainspring effects confirm {word}", does))
        does = f"If it did not happen: let the next call perform it.{later}"
    else:
        does = "Only if it should happen a second time: let the next call perform it again."
    return [*commands, SuggestedCommand(f"mainspring effects forget {word}", does)]
