"""The guard of rollouts: counts runs, compares both versions, and moves each rollout to its next step, to its end, or back.

Invariant: no evidence is kept in memory. Each round continues from what is committed, and each move names the step that it saw.
So two processes, or one that died in between, reach the same verdict, and a move is made once.
"""

import logging

import msgspec

from mainspring.domain.errors import ConflictError, NotFoundError
from mainspring.domain.flags.flag import SHARE_UNITS
from mainspring.domain.rollouts.guard import GuardVerdict
from mainspring.domain.rollouts.guard_state import GuardState, continue_state
from mainspring.domain.rollouts.guard_text import describe_worse
from mainspring.domain.rollouts.rollout import Rollout
from mainspring.domain.states import RolloutMove, RolloutState
from mainspring.service.actor import Actor, OperationContext
from mainspring.service.rollout import move_rollout
from mainspring.store.commands.rollouts import CountRolloutRuns, RecordRolloutEvidence
from mainspring.store.process_store import ProcessStore
from mainspring.store.read import rollouts
from mainspring.store.read.status.status import meta
from mainspring.store.restore_hold import HOLD_KEY

_LOG = logging.getLogger("mainspring.rollouts")
_ACTOR = Actor("guard", "rollouts")
_PAGE = 500
_MAX_ACTIVE = 1_000
_MINUTE_MS = 60_000
_MOVE_TEXTS = {RolloutMove.ADVANCE: "next step", RolloutMove.FINISH: "finished, the new version is in force"}


class RolloutGuard:
    """Moves the rollouts of one store; used by one thread at a time."""

    def __init__(self, store: ProcessStore) -> None:
        self._store = store
        self._waiting: set[int] = set()
        """Rollouts whose next move waits for a worker, so that it is logged once."""

    def run_once(self) -> None:
        """Evaluate each rollout that divides new runs. An error of one keeps no other from its evaluation; then the last one is raised.

        A store on hold has the rollouts of a backup: none of them moves before a person has released it.

        Raises:
            StoreError: the store cannot be read or written.
        """
        if meta(self._store.reader, HOLD_KEY) is not None:
            return
        failed: Exception | None = None
        for rollout in rollouts.list_rollouts(self._store.reader, active=True, limit=_MAX_ACTIVE):
            try:
                self._evaluate(rollout)
            except Exception as error:  # noqa: BLE001 - the others are evaluated first
                failed = error
        if failed is not None:
            raise failed

    def _evaluate(self, rollout: Rollout) -> None:
        self._count_runs(rollout)
        state = self._read_evidence(rollout)
        move = _choose_move(rollout, state, self._store.clock.now())
        if move is not None and not self._lacks_worker(rollout, move):
            self._move(rollout, move, state)

    def _lacks_worker(self, rollout: Rollout, move: RolloutMove) -> bool:
        """Return whether more runs would get a version that no worker claims. The store would refuse the move, and record each refusal."""
        name, version = rollout.automation, rollout.new_version
        if move is RolloutMove.ROLL_BACK or rollouts.has_live_version(self._store.reader, name, version):
            self._waiting.discard(rollout.id)
            return False
        if rollout.id not in self._waiting:
            _LOG.warning("the rollout of %s waits (%s): no running worker has version %d", name, move, version)
        self._waiting.add(rollout.id)
        return True

    def _count_runs(self, rollout: Rollout) -> None:
        while self._store.apply(CountRolloutRuns(rollout.id, _PAGE)).number == _PAGE:
            pass

    def _read_evidence(self, rollout: Rollout) -> GuardState:
        """Return the state with all runs that count; record it if there are new ones."""
        state = before = rollouts.read_guard_state(self._store.reader, rollout.id)
        if rollout.share == SHARE_UNITS:
            return state
        while state.decision.verdict is not GuardVerdict.WORSE and (
            rows := rollouts.list_counted_runs(self._store.reader, rollout.id, rollout.step, state.place, _PAGE)
        ):
            state = continue_state(state, rollout, [(row.place, row.to_outcome(rollout)) for row in rows])
        if state is not before:
            self._store.apply(RecordRolloutEvidence(rollout.id, rollout.step, msgspec.json.encode(state).decode()))
        return state

    def _move(self, rollout: Rollout, move: RolloutMove, state: GuardState) -> None:
        reason = describe_worse(state.decision, rollout) if move is RolloutMove.ROLL_BACK else None
        # A command that was refused stays refused, so the next minute has another one.
        minute = self._store.clock.now() // _MINUTE_MS
        context = OperationContext(_ACTOR, reason, f"rollout_{rollout.id}_{rollout.step}_{move}_{minute}")
        try:
            move_rollout(self._store, rollout.automation, move, act=context, seen=rollout)
        except (ConflictError, NotFoundError) as error:  # a person moved it first, or deployed a third version
            _LOG.info("the rollout of %s was not moved (%s): %s", rollout.automation, move, error.message)
            return
        level = logging.WARNING if reason else logging.INFO
        text = f"rolled back: {reason}" if reason else _MOVE_TEXTS[move]
        _LOG.log(level, "rollout of %s to version %d: %s", rollout.automation, rollout.new_version, text)


def _choose_move(rollout: Rollout, state: GuardState, now: int) -> RolloutMove | None:
    """Return the move that is due. A worse version is rolled back at any time; a step ends after its hold."""
    if state.decision.verdict is GuardVerdict.WORSE:
        return RolloutMove.ROLL_BACK
    if rollout.state is not RolloutState.RUNNING or now < rollout.step_at + rollout.hold_ms:
        return None
    if rollout.share == SHARE_UNITS:
        return RolloutMove.FINISH
    return RolloutMove.ADVANCE if state.decision.verdict is GuardVerdict.NOT_WORSE else None
