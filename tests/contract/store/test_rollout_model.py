"""Any order of announcements, rollouts, their moves and starts: one version is in force, and a failed one gets no run."""

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from mainspring.domain.rollouts.rollout import InFlightPolicy, hash_rollout_key
from mainspring.domain.states import RolloutMove, RolloutState
from mainspring.store.commands.automations import AnnounceDefinitions, AutomationRow
from mainspring.store.commands.results import Refused, RolloutMoved
from mainspring.store.commands.rollouts import MoveRollout, StartRollout
from mainspring.store.read import rollouts
from tests.contract.store.clock import FakeClock

VERSIONS = st.integers(1, 3)
ENDS = {RolloutMove.ABORT, RolloutMove.ROLL_BACK}


class RolloutModel(RuleBasedStateMachine):
    """Two processes, each with its code: one plain version at most, and candidates. `seen` = what happened in all examples."""

    def __init__(self, new_database, seen):
        super().__init__()
        self.opener = new_database()
        self.seen = seen

    @initialize()
    def open(self):
        clock = FakeClock()
        self.processes = [self.opener(clock).open() for _ in range(2)]
        self.code = [(1, frozenset({2, 3}), "a")] * 2
        self.failed: set[int] = set()
        for process in self.processes:
            process.do(self.make_announcement(*self.code[0]))

    def make_announcement(self, plain, candidates, letter):
        versions = sorted(candidates | ({plain} if plain else set()))
        rows = [
            AutomationRow("a", "task", n, f"{letter}{n}", msgspec.json.encode(f"{letter}{n}"), is_candidate=n != plain)
            for n in versions
        ]
        return AnnounceDefinitions(f"{letter} {plain} {sorted(candidates)}", tuple(rows), ())

    def read_in_force(self):
        (view,) = self.processes[0].read("automations", "a")
        return view.version, view.definition

    def find_last(self):
        return rollouts.find_last_rollout(self.processes[0].reader, "a")

    @rule(
        who=st.integers(0, 1), plain=st.none() | VERSIONS, candidates=st.frozensets(VERSIONS), letter=st.sampled_from("ab")
    )  # fmt: skip
    def announce(self, who, plain, candidates, letter):
        self.deploy(who, plain, candidates - {plain}, letter)

    @rule(who=st.integers(0, 1))
    def restart(self, who):
        self.deploy(who, *self.code[who])

    def deploy(self, who, plain, candidates, letter):
        before, last = self.read_in_force(), self.find_last()
        finished = [row for row in rollouts.list_rollouts(self.processes[0].reader) if row.state == "finished"]
        self.code[who] = plain, candidates, letter
        self.processes[who].do(self.make_announcement(plain, candidates, letter))
        now = self.read_in_force()
        if now[0] != before[0]:
            self.seen.add("taken")
            assert now[0] == plain, "a candidate took force"
            assert plain not in self.failed, "a version that failed took force"
            assert not finished or plain > finished[0].new_version, "an older version took force"
            assert last is None or not last.is_active or plain not in (last.old_version, last.new_version)
        elif now[1] != before[1]:
            assert now[0] in candidates | {plain}, "another version changed the definition in force"
        ends = last is not None and last.is_active and now[0] != before[0]
        if last is not None:
            assert self.find_last().state is (RolloutState.SUPERSEDED if ends else last.state)
            self.seen |= {"superseded"} if ends else set()

    @precondition(lambda self: not self.has_active())
    @rule(data=st.data(), again=st.booleans(), share=st.sampled_from([300_000, 700_000]))
    def start_rollout(self, data, again, share):
        before, last = self.read_in_force(), self.find_last()
        deployed = {version for plain, candidates, _ in self.code for version in (plain, *candidates) if version}
        version = data.draw(st.sampled_from(sorted(deployed - {before[0]}) or [9]))
        command = StartRollout(
            automation="a", new_version=version, steps=(share, 1_000_000), hold_ms=1, in_flight=InFlightPolicy.FINISH, age_ms=1,
            margin=50_000, again=again,
        )  # fmt: skip
        answer = self.processes[0].do(command)
        assert self.read_in_force() == before
        if isinstance(answer, RolloutMoved):
            assert last is None or not last.is_active
            assert (answer.old_version, answer.new_version) == (before[0], version)
            assert version in deployed
            self.failed.discard(version)
            self.seen.add("started again" if again and last is not None else "started")

    def has_active(self):
        last = self.find_last()
        return last is not None and last.is_active

    @precondition(has_active)
    @rule(move=st.sampled_from([move for move in RolloutMove if move is not RolloutMove.SUPERSEDE]))
    def move(self, move):
        before, last = self.read_in_force(), self.find_last()
        answer = self.processes[1].do(MoveRollout(automation="a", move=move))
        if isinstance(answer, Refused):
            assert self.find_last() == last
            assert self.read_in_force() == before
            return
        self.seen.add(move.value)
        if move in ENDS:
            self.failed.add(last.new_version)
        expected = last.new_version if move is RolloutMove.FINISH else before[0]
        assert self.read_in_force()[0] == expected

    @rule(who=st.integers(0, 1), key=st.integers(0, 9))
    def start(self, who, key):
        plain, candidates, _ = self.code[who]
        if not plain and not candidates:
            return
        hashed = hash_rollout_key("a", str(key))
        process, last = self.processes[who], self.find_last()
        answer = process.start(version=plain or max(candidates), is_candidate=not plain, rollout_key=hashed)
        version = process.run(answer.run).version
        if last is not None and last.is_active:
            assert version == last.choose_version(hashed)
        elif last is not None or not plain:
            assert version == self.read_in_force()[0]
        assert last is None or version not in self.failed

    @invariant()
    def one_rollout_is_active(self):
        if hasattr(self, "processes"):
            assert len(rollouts.list_rollouts(self.processes[0].reader, active=True)) <= 1
            assert self.read_in_force()[0] not in self.failed

    def teardown(self):
        for process in self.processes:
            process.close()


def test_versions_follow_the_model(new_database, request):
    """Whatever is deployed, rolled out and moved, in whatever order."""
    most = 50 if "sqlite" in request.node.name else 12
    seen: set[str] = set()
    run_state_machine_as_test(
        lambda: RolloutModel(new_database, seen),
        settings=settings(
            max_examples=most,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
        ),
    )
    assert seen >= {"taken", "superseded", "started", "started again", "finish", "abort", "roll_back", "advance"}
