"""Start of a run: found by its id or key, refused with a reason, or created in commit order."""

import json
from typing import Final, NamedTuple, cast

import msgspec

from mainspring.domain.definitions.options import DefinitionKind
from mainspring.domain.states import TERMINAL_STATES, RunMove, RunState, target_state
from mainspring.store.commands.results import CLAIM_LOST, Refused, StartAnswer
from mainspring.store.commands.runs import StartRun
from mainspring.store.schema.runs.runs import CHILD_OF_STEP, NEW_RUN, NewRun
from mainspring.store.transaction import Transaction
from mainspring.store.write import queues
from mainspring.store.write.held_store import is_store_on_hold
from mainspring.store.write.runs import inbox, partitions, run_keys
from mainspring.store.write.runs.ownership import is_run_owner

VERSIONED_KINDS: Final = frozenset({DefinitionKind.WORKFLOW, DefinitionKind.TASK, DefinitionKind.SCRIPT})
"""Kinds of automations that can have two versions side by side."""
DEEPEST = 100
"""Maximum depth of children of children."""
PRIORITY_MS = 60_000
"""Waiting time that equals one step of priority, so that priorities age."""
_HELD = Refused("held", "the store is on hold after a restore or a loss: no run starts before it is released")


class StartRules(NamedTuple):
    """The facts that decide on a start: whether the automation is retired, and its last rollout, None = it never had one."""

    is_retired: bool
    rollout: int | None


def start_run(tx: Transaction, command: StartRun, *, continues: bool = False) -> StartAnswer | Refused:
    """Create one run, or find it. A run that `continues` another one is no new work: no backlog refuses it."""
    child = _find_child_of_request(tx, command)
    if child is not None:
        return child
    state = tx.value("find_run_state", (command.id,), str)
    if state is not None:
        return StartAnswer(command.id, created=False, state=state)
    answered = run_keys.find_by_request(tx, command)
    if answered is not None:
        return answered
    answer = _start_or_join(tx, command, continues=continues)
    if isinstance(answer, StartAnswer):
        run_keys.record_request(tx, command, answer.run)
    return answer


def _start_or_join(tx: Transaction, command: StartRun, *, continues: bool) -> StartAnswer | Refused:
    refusal = _refuse_start(tx, command)
    if refusal is not None:
        return refusal
    if command.alternatives:
        chosen = _choose_options(tx, command)
        if isinstance(chosen, Refused):
            return chosen
        command = chosen
    known = None if command.run_key is None else run_keys.find_by_key(tx, command, command.run_key)
    if command.awaited and not _has_end(known) and is_store_on_hold(tx):
        return _HELD
    if isinstance(known, StartAnswer | Refused):
        return known
    backlog = queues.refuse_if_full(tx, command)
    if backlog is not None and not continues:
        return backlog
    if command.limits is not None and not continues:
        from mainspring.store.write.runs.start_limits import limit_start  # noqa: PLC0415 - few automations have limits

        limited = limit_start(tx, command, command.limits)
        if not isinstance(limited, StartRun):
            return limited
        command = limited
    rules = read_start_rules(tx, command.automation)
    return (
        _stage_assigned(tx, command, known, rules, continues=continues)
        if is_version_open(rules, command)
        else _stage(tx, command, known)
    )


def read_start_rules(tx: Transaction, automation: str) -> StartRules:
    """Return the rules of an automation, read once per group."""
    rules: StartRules | None = tx.cache.get(("start_rules", automation))
    if rules is None:
        retired, rollout = tx.first("read_start_rules", (automation,)) or (False, None)
        rules = tx.cache["start_rules", automation] = StartRules(bool(retired), cast("int | None", rollout))
    return rules


def forget_start_rules(tx: Transaction, automation: str) -> None:
    """Read the rules again at the next start: a command of this group changed them."""
    tx.cache.pop(("start_rules", automation), None)
    tx.cache.pop(("rollout", automation), None)


def is_version_open(rules: StartRules, command: StartRun) -> bool:
    """Return whether the store decides on the version of this start."""
    return command.kind in VERSIONED_KINDS and (rules.rollout is not None or command.is_candidate)


def _choose_options(tx: Transaction, command: StartRun) -> StartRun | Refused:
    """Return the start with the options of the version in force, if the starter has its code."""
    from mainspring.store.write.runs.version_choice import read_version_in_force  # noqa: PLC0415 - most automations have no rollout

    in_force = read_version_in_force(tx, command.automation, read_start_rules(tx, command.automation).rollout)
    for alternative in command.alternatives:
        if alternative.version == in_force:
            return alternative.start or Refused("bad_options", alternative.refusal)
    return command


def _stage_assigned(
    tx: Transaction, command: StartRun, key: run_keys.KeyRow | None, rules: StartRules, *, continues: bool
) -> StartAnswer | Refused:
    from mainspring.store.write.runs.version_choice import choose_version, record_choice  # noqa: PLC0415 - most automations have no rollout

    choice = choose_version(tx, command, rules.rollout, continues=continues)
    if isinstance(choice, Refused):
        return choice
    answer = _stage(tx, msgspec.structs.replace(command, version=choice.version), key)
    if choice.row is not None and isinstance(answer, StartAnswer):
        record_choice(tx, choice.row)
    return answer


def _find_child_of_request(tx: Transaction, command: StartRun) -> StartAnswer | None:
    """Find the child that counts for the parent's request, whichever generation started it and however often it was
    continued.
    """
    parent = command.parent
    if parent is None:
        return None
    child = CHILD_OF_STEP.read_first(tx.all("find_child_of_step", (parent.run, parent.ident)))
    if parent is None or child is None:
        return None
    # Sent again: the first try may have notified the parent, or may never have been executed.
    if not (tx.again and tx.first("has_child_fact", (parent.run, child.id))):
        inbox.redeliver_end_to_parent(tx, child.id)
    return StartAnswer(child.id, created=False, state=child.state)


def _refuse_start(tx: Transaction, command: StartRun) -> Refused | None:
    parent, requester = command.parent, command.parent or command.starter
    if requester is not None and not is_run_owner(tx, requester.run, requester.claim):
        return CLAIM_LOST
    if parent is not None:
        cycle = _refuse_cycle(tx, command, parent.run)
        if cycle is not None:
            return cycle
    if read_start_rules(tx, command.automation).is_retired:
        return Refused("retired", f"automation {command.automation!r} is retired")
    return _HELD if command.here and is_store_on_hold(tx) else None


def _has_end(known: StartAnswer | Refused | run_keys.KeyRow | None) -> bool:
    """Tell whether the caller need not wait: its key is refused, or leads to a run that has ended."""
    return isinstance(known, Refused) or (isinstance(known, StartAnswer) and known.state in TERMINAL_STATES)


def _refuse_cycle(tx: Transaction, command: StartRun, parent: str) -> Refused | None:
    """Refuse a child that would request itself forever: the same automation with the same input above it, or too deep a
    tree.
    """
    values = {"parent": parent, "automation": command.automation, "kind": command.kind, "input": command.input}
    row = tx.first("find_start_cycle", {**values, "deepest": DEEPEST})
    if row is None:
        return None
    above, depth = row
    if depth >= DEEPEST:
        return Refused("cycle", f"children are nested {DEEPEST} deep: {command.automation!r} seems to start itself")
    return Refused("cycle", f"{command.automation!r} starts itself with the same input: run {above} above it has both")


def _stage(tx: Transaction, command: StartRun, key: run_keys.KeyRow | None) -> StartAnswer | Refused:
    now = tx.now
    is_due = command.due_at is None or command.due_at <= now
    holder = None
    if command.run_key is not None and key is not None:
        holder = run_keys.take_key(tx, command, command.run_key, key)
    blocked = None if holder is None else "key"
    # A run that is due later acquires its key when it becomes due, so that it blocks no run until then.
    if command.partition is not None and is_due and blocked is None:
        parent = command.parent.run if command.parent else None
        if not partitions.enter_partition(tx, command.queue, command.partition, command.id, parent):
            if command.here:
                return Refused("busy", f"another run has partition {command.partition!r}", retry_after_ms=1_000)
            blocked = "partition"
    is_in_line = command.concurrency_key is not None and is_due and blocked is None and not command.here
    if is_in_line:
        blocked = "concurrency"
    state = target_state(RunMove.START_HERE if command.here else RunMove.STAGE)
    ready = is_due and blocked is None and not command.here
    if command.run_key is not None:
        run_keys.bind_key(tx, command, command.run_key, state, holder)
    tx.change("insert_run", NEW_RUN.values(row_of(tx, command, state, ready=ready, blocked=blocked)))
    if is_in_line:
        tx.later("join_concurrency_line", (json.dumps([command.id]),))
    _insert_details(tx, command)
    if command.here:
        tx.count(command.automation, started=1)
    else:
        tx.change_backlog(command.queue, 1)
        tx.ready |= blocked is None or is_in_line  # also a later due time: a worker has to know the instant
    return StartAnswer(command.id, created=True, state=state)


def _insert_details(tx: Transaction, command: StartRun) -> None:
    """Insert the rows that few runs have, and cancel the runs that this one replaces."""
    if command.starter is not None:
        tx.change("insert_started_run", (command.starter.run, command.id))
    if command.limits is not None or command.cancels_other_runs:
        from mainspring.store.write.runs import start_limits  # noqa: PLC0415 - few automations have limits

        start_limits.record_start(tx, command)
    if command.retry is not None:
        tx.change("insert_run_retry", (command.id, command.retry))
    if command.tags is not None:
        from mainspring.store.write.runs import run_tags  # noqa: PLC0415 - few runs have tags

        run_tags.index_tags(tx, command.id, command.tags)


def row_of(tx: Transaction, command: StartRun, state: RunState, *, ready: bool, blocked: str | None) -> NewRun:
    """Return the row of a run that is being created."""
    now, here, parent, slot = tx.now, command.here, command.parent, command.slot
    deadline_at = command.deadline_at
    if deadline_at is None and command.deadline_after_ms is not None:
        deadline_at = now + command.deadline_after_ms
    due_at = command.due_at
    parent_values: tuple[str | None, str | None, int | None, str | None] = (None, None, None, None)
    if parent is not None:
        parent_values = (parent.run, parent.ident, parent.request_number, parent.close_policy)
    return NewRun(
        *(command.id, command.automation, command.kind, command.version, command.title, state, command.queue),
        *(command.priority, command.tag or "", command.partition, int(ready), int(not here), blocked),
        (now if due_at is None else due_at) - command.priority * PRIORITY_MS,
        *(None if here else due_at, deadline_at, now, now if here else None, now),
        *(tx.session if here else None, int(here), command.codec, command.input),
        command.tags,
        command.run_key.key if command.run_key else None,
        *parent_values,
        slot.schedule if slot else None,
        slot.slot_at if slot else None,
        *(command.trigger, command.healthy, command.item),
        command.concurrency_key,
        command.headers,
    )
