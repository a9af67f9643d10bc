"""Claims: make due runs ready, then claim ready runs: resumes before starts, oldest first, fair between queues.

Ready runs are indexed by (queue, automation, version, tag). A claim steps from group to group, so that any number of
paused runs, or of runs that this session cannot execute, costs one step.
"""

import json
import zlib
from itertools import zip_longest
from typing import Final

import msgspec

from mainspring.domain.processes.worker_loss import WorkerLoss
from mainspring.domain.runs.journal import Fact
from mainspring.domain.states import SessionState
from mainspring.store.commands.runs import ClaimedRun, ClaimedRuns, ClaimRuns
from mainspring.store.schema.messages.inbox import FACT
from mainspring.store.schema.processes.sessions import CLAIMING_SESSION
from mainspring.store.schema.runs.runs import CLAIM_ROW, DUE_RUN, ClaimRow
from mainspring.store.schema.runs.worker_losses import WORKER_LOSS
from mainspring.store.texts import FOR_EVER
from mainspring.store.transaction import Params, Transaction
from mainspring.store.write import queues
from mainspring.store.write.held_store import READ_HOLD, is_store_on_hold
from mainspring.store.write.runs import partitions, queue_capacity

_DUE_AT_ONCE = 500
_NEXT_LATE: Final[tuple[str, Params]] = "find_next_deadline", ()


class _Group(msgspec.Struct, frozen=True):
    """Ready runs that differ only in place: up to `oldest_deploy`, or newer than `newest_deploy`, which no live worker
    has.
    """

    queue: str
    automation: str
    version: int
    tag: str
    oldest_deploy: int
    newest_deploy: int


class _Scan:
    """One claim in progress: what it may take, and when the rest becomes claimable."""

    def __init__(self, tx: Transaction, command: ClaimRuns, deploy: int) -> None:
        self.tx = tx
        self.command = command
        self.deploy = deploy
        self._ready_groups = "list_ready_groups", {"probation": int(command.probation), "session": tx.session}
        tx.ahead((queues.LIST_LIMITS, self._ready_groups))
        self.limits = queues.read_queue_limits(tx, command.queues)
        self.among = None if command.under is None else json.dumps(_list_descendants(tx, command.under))
        self.later: list[int] = []
        self.is_limited = False
        self.yielded_queues: list[str] = []
        self._other_groups: dict[str, list[queue_capacity.ClaimableGroup]] = {}

    def groups(self) -> dict[str, list[_Group]]:
        """Return the groups of ready runs that this session may claim, by queue."""
        tags = {"", *self.command.tags}
        groups: dict[str, list[_Group]] = {}
        rows = self.tx.all(*self._ready_groups)
        for queue, automation, version, tag, is_loaded, paused_until, newest_deploy in rows:
            if paused_until is not None and paused_until > self.tx.now:
                if is_loaded:
                    self.later.append(paused_until)
            elif queue not in self.limits:
                continue
            elif is_loaded and queue_capacity.serves_tag(tag, tags):
                newest = newest_deploy or 0
                oldest = self.deploy if newest > self.deploy else FOR_EVER
                groups.setdefault(queue, []).append(_Group(queue, automation, version, tag, oldest, newest))
            elif self._yields_slots(queue):
                self._other_groups.setdefault(queue, []).append(
                    queue_capacity.ClaimableGroup(queue, automation, version, tag)
                )
        return groups

    def _yields_slots(self, queue: str) -> bool:
        """Tell whether this claim leaves slots of a queue to older runs of other workers."""
        command = self.command
        is_ordinary = not command.probation and command.under is None
        return is_ordinary and self.limits[queue].concurrency is not None and queue not in command.insists

    def take_from(self, queue: str, groups: list[_Group]) -> tuple[list[int], list[int]]:
        """Return the rows of resumes and of starts that may be claimed from one queue, each in order."""
        limits = self.limits[queue]
        self.is_limited |= limits.concurrency is not None
        other_groups = self._other_groups.get(queue, [])
        slots = limits.free_slots(self.tx, FOR_EVER if other_groups else self.command.limit)
        other_groups = queue_capacity.list_claimable_elsewhere(self.tx, other_groups) if other_groups and slots else []
        most = min(slots, self.command.limit)
        beyond = 0 if limits.rate is None else 1  # one more tells whether the rate keeps a start waiting
        resumes, starts = self._candidates(groups, most and most + beyond, apart=bool(other_groups))
        resume_rows, used_slots = self._divide(queue, other_groups, resumes[:most], slots, fresh=0)
        slots_left = slots - used_slots
        allowed = limits.free_starts(self.tx.now, slots_left) if slots_left else 0
        start_rows, used_slots = self._divide(queue, other_groups, starts[: min(allowed, most)], allowed, fresh=1)
        if used_slots == allowed < min(slots_left, len(starts)):
            next_start_at = limits.next_start_at(self.tx.now, allowed)
            if next_start_at is not None:
                self.later.append(max(next_start_at, self.tx.now + 1))
        return resume_rows, start_rows

    def _divide(
        self,
        queue: str,
        other_groups: list[queue_capacity.ClaimableGroup],
        candidates: list[queue_capacity.QueuePlace],
        slots: int,
        *,
        fresh: int,
    ) -> tuple[list[int], int]:
        """Return the candidates that get one of these slots, in order, and how many slots are used with those left to
        other workers.
        """
        left_slots = 0
        if other_groups and candidates:
            own_places, left_slots = queue_capacity.divide_slots(
                candidates, queue_capacity.list_run_places(self.tx, other_groups, slots, fresh=fresh), slots
            )
            if len(own_places) < len(candidates):
                self.yielded_queues.append(queue)
            candidates = own_places
        return [seq for _, seq in candidates], len(candidates) + left_slots

    def _candidates(
        self, groups: list[_Group], limit: int, *, apart: bool
    ) -> tuple[list[queue_capacity.QueuePlace], list[queue_capacity.QueuePlace]]:
        """Return the first resumes and the first starts: `limit` together, resumes before starts; `limit` of each, if `apart`.

        On a server the rows are locked, so that more of them would keep runs from other workers.
        """
        places: tuple[list[queue_capacity.QueuePlace], list[queue_capacity.QueuePlace]] = ([], [])
        if limit <= 0:
            return places
        for kinds in ((0, 0), (1, 1)) if apart else ((0, 1),):
            statements = [self._select_candidates(group, kinds, limit) for group in groups]
            if len(statements) > 1:
                self.tx.ahead(statements)
            rows = sorted(row for statement in statements for row in self.tx.all(*statement))
            for fresh, place, seq in rows[:limit]:
                places[fresh].append((place, seq))
        return places

    def _select_candidates(self, group: _Group, kinds: tuple[int, int], limit: int) -> tuple[str, Params]:
        on_probation = int(self.command.probation)
        key = (on_probation, group.queue, group.automation, group.version, group.tag, *kinds)
        params = (*key, group.oldest_deploy, group.newest_deploy, limit)
        return ("list_candidates", params) if self.among is None else ("list_candidates_among", (self.among, *params))


def list_first_reads(session: int | None) -> list[tuple[str, Params]]:
    """Return the reads with which each claim begins."""
    return [("read_claimer", (session,)), READ_HOLD, partitions.NEXT_DUE, _NEXT_LATE]


def claim_runs(tx: Transaction, command: ClaimRuns) -> ClaimedRuns:
    """Claim ready runs for this session."""
    if tx.again:
        rows = CLAIM_ROW.read_all(tx.all("list_claimed_runs", (tx.session, command.id)))
        if rows:
            claimed = json.dumps([row.seq for row in rows])
            facts = FACT.read_all(tx.all("list_facts_of_claimed", (claimed,)))
            return ClaimedRuns(_with_facts(tx, rows, facts), None, more=True)
    tx.ahead(list_first_reads(tx.session))
    session = CLAIMING_SESSION.read_first(tx.all("read_claimer", (tx.session,)))
    if session is None or session.state is not SessionState.ALIVE:
        return ClaimedRuns((), None, draining=session is not None and session.state is SessionState.DRAINING)
    serves = (json.dumps(sorted(command.tags)), None if command.queues is None else json.dumps(sorted(command.queues)))
    if (session.tags, session.queues) != serves:
        tx.later("set_session_capabilities", (*serves, tx.session))
    if is_store_on_hold(tx):
        return ClaimedRuns((), None)
    more, next_due = _make_due(tx)
    scan = _Scan(tx, command, session.deploy)
    seqs = _choose_rows(scan)
    runs = _claim_rows(tx, command, session.deploy, seqs, scan.limits) if seqs else ()
    instants = (*next_due, *(at for at in scan.later if at < FOR_EVER))
    return ClaimedRuns(
        runs,
        min(instants, default=None),
        more=more or len(seqs) >= command.limit,
        is_limited=scan.is_limited,
        yielded_queues=tuple(scan.yielded_queues),
    )


def _make_due(tx: Transaction) -> tuple[bool, list[int]]:
    """Make due runs ready. Return whether there may be more of them, and when the next run becomes due or late.

    A claimed run is neither: it was ready.
    """
    due_at, late_at = tx.value(*partitions.NEXT_DUE, int), tx.value(*_NEXT_LATE, int)
    count = 0
    if due_at is not None and due_at <= tx.now:
        count = partitions.make_first_runs_ready(tx)
        due = DUE_RUN.read_all(tx.all("list_due_runs", (tx.now,)))
        partitions.make_runs_ready(tx, due)
        count += len(due)
        due_at = tx.value(*partitions.NEXT_DUE, int)
    if late_at is not None and late_at <= tx.now:
        tx.change("release_overdue_runs", (tx.now,))
        late_at = tx.value(*_NEXT_LATE, int)
    return count >= _DUE_AT_ONCE, [at for at in (due_at, late_at) if at is not None]


def _list_descendants(tx: Transaction, run: str) -> list[str]:
    """Return a run, or its successor, with all its descendants: a worker for that one run claims no other."""
    successor = tx.value("find_newest_of_chain", (run,), str)
    level = [run if successor is None else successor]
    run_ids = dict.fromkeys(level)
    while level:
        children = tx.values("list_awaited_runs", {"runs": json.dumps(level)}, str)
        level = [child for child in children if child not in run_ids]
        run_ids |= dict.fromkeys(level)
    return list(run_ids)


def _choose_rows(scan: _Scan) -> list[int]:
    """Choose rows: one queue after the other, starting with another one each time; resumes of all queues before any
    start.
    """
    groups = scan.groups()
    names = sorted(groups)
    if not names:
        return []
    offset = zlib.crc32(scan.command.id.encode()) % len(names)
    chosen = [scan.take_from(name, groups[name]) for name in (*names[offset:], *names[:offset])]
    resumes = [
        seq for round_rows in zip_longest(*(pair[0] for pair in chosen)) for seq in round_rows if seq is not None
    ]
    starts = [seq for round_rows in zip_longest(*(pair[1] for pair in chosen)) for seq in round_rows if seq is not None]
    return (resumes + starts)[: scan.command.limit]


def _claim_rows(
    tx: Transaction, command: ClaimRuns, deploy: int, seqs: list[int], limits: dict[str, queues.QueueLimits]
) -> tuple[ClaimedRun, ...]:
    values = {"session": tx.session, "now": tx.now, "command": command.id, "deploy": deploy, "seqs": json.dumps(seqs)}
    order = {seq: n for n, seq in enumerate(seqs)}
    tx.ahead((("claim_runs", values), ("list_facts_of_claimed", (values["seqs"],))))
    rows = sorted(CLAIM_ROW.read_all(tx.all("claim_runs", values)), key=lambda row: order[row.seq])
    facts = FACT.read_all(tx.all("list_facts_of_claimed", (values["seqs"],)))
    fresh: dict[str, int] = {}
    for row in rows:
        if row.run.fresh:
            fresh[row.run.queue] = fresh.get(row.run.queue, 0) + 1
            tx.count(row.run.automation, started=1)
    lost = [row.run.id for row in rows if row.losses]
    if lost:
        tx.change("record_resumed_losses", {"now": tx.now, "session": tx.session, "runs": json.dumps(lost)})
    _save_changes_of_code(tx, command, rows)
    rows = [_lower_versions(tx, command, row) if row.run.has_newer_code and row.run.versions else row for row in rows]
    for queue, starts in fresh.items():
        tx.change_backlog(queue, -starts)
        limits[queue].spend(tx, starts)
    return _with_facts(tx, rows, facts)


def _save_changes_of_code(tx: Transaction, command: ClaimRuns, rows: list[ClaimRow]) -> None:
    """Save with each run that begins the changes in the code with which it begins."""
    for code in command.changes:
        place = code.automation, code.version
        runs = [row.run.id for row in rows if row.run.fresh and (row.run.automation, row.run.version) == place]
        if runs:
            params = {"versions": code.versions, "runs": json.dumps(runs), "session": tx.session}
            tx.change("save_initial_versions", params)


def _lower_versions(tx: Transaction, command: ClaimRuns, row: ClaimRow) -> ClaimRow:
    """Save that older code continues a run: it may pass the place of a change without a question."""
    from mainspring.domain.runs.change_versions import read_change_versions  # noqa: PLC0415 - `exec` never needs it

    run = row.run
    places = {(code.automation, code.version): read_change_versions(code.versions).initial for code in command.changes}
    former = read_change_versions(run.versions)
    lowered = former.lower(places.get((run.automation, run.version), {}))
    if lowered == former:
        return row
    versions = msgspec.json.encode(lowered)
    tx.change("save_change_versions", (versions, run.id, run.claim, tx.session))
    return msgspec.structs.replace(row, run=msgspec.structs.replace(run, versions=versions))


def _with_facts(tx: Transaction, rows: list[ClaimRow], facts: list[Fact]) -> tuple[ClaimedRun, ...]:
    """Return the claimed runs with the facts in their inboxes, and with the deaths after which they continue."""
    facts_of: dict[str, list[Fact]] = {}
    for fact in facts:
        facts_of.setdefault(fact.run, []).append(fact)
    losses: dict[str, list[WorkerLoss]] = {}
    lost = [row.run.id for row in rows if row.losses]
    for loss in WORKER_LOSS.read_all(tx.all("list_resumed_losses", (json.dumps(lost),))) if lost else ():
        losses.setdefault(loss.run, []).append(loss)
    if not facts and not losses:
        return tuple(row.run for row in rows)
    return tuple(
        msgspec.structs.replace(
            row.run, facts=tuple(facts_of.get(row.run.id, ())), losses=tuple(losses.get(row.run.id, ()))
        )
        for row in rows
    )
