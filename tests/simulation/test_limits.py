"""Limited runs, simulated: slots of concurrency keys, lines, rates, debounce, throttle, cancel in progress and versions of changes.

`SEED=n` lives one seed; TESTS_LONG=1 lives many. The rules are those of `limit_rules`, checked at each commit. Each planted bug is found.
"""

import functools
import os
import random
import time
from collections import Counter

import pytest

from mainspring.domain.runs.change_versions import ChangeVersions
from mainspring.domain.time.rate_window import RateWindow
from mainspring.engine.driver.driver import Driver
from mainspring.engine.driver.version_answers import RunVersions
from mainspring.store.write.runs import start_limits
from tests.sampling import ALL, sample, seed
from tests.simulation.limited_workload import CHANGED, DEBOUNCED
from tests.simulation.limited_world import LimitedWorld
from tests.simulation.test_planted_bugs import found_within, planted_on, replace_statement
from tests.simulation.world import simulate

SEEDS = {"sqlite": 400 if ALL else 20, "postgres": 40 if ALL else 3}
BUDGET_S = float("inf") if ALL else 30.0
"""Of its own time on the processor."""
MINIMUM = 0.5
FIRST = 0 if ALL else random.Random(f"limits {seed()}").randrange(10_000)
SOMETIMES = {
    *("runs in line", "slot passed on", "replaced in progress", "delayed by a rate", "throttled", "input replaced"),
    *("old side", "new side", "newest side", "version 1", "kill", "drained", "declared_dead", "sent again"),
}


@pytest.mark.slow
@pytest.mark.timeout(0)
def test_limits_hold_at_each_commit_whatever_fails_meanwhile(store):
    """No rule is broken at any commit, all runs end as they must, and each kind of limit was reached."""
    seeds = [int(os.environ["SEED"])] if "SEED" in os.environ else range(FIRST, FIRST + SEEDS[store])
    hits: Counter[str] = Counter()
    until, done = time.process_time() + BUDGET_S, 0
    for number in seeds:
        if time.process_time() > until and done >= len(seeds) * MINIMUM:
            break
        world = simulate(number, store=store, kind=LimitedWorld)
        hits += world.hits
        done += 1
        assert not world.errors, f"seed {number}: {world.errors[:10]}"
    print(f"{done} seeds; {dict(sorted(hits.items()))}")
    if done >= 10:
        assert not [name for name in SOMETIMES if not hits[name]]


# -- planted bugs ------------------------------------------------------------------------------------------------------


def _trigger(patch, old, new):
    """Plant a bug in the trigger of the database that shares the slots."""
    patch.setattr(LimitedWorld, "changed_trigger", (old, new))


def _deploy_often(patch):
    patch.setattr(LimitedWorld, "roll_outs", 40)
    patch.setattr(LimitedWorld, "misfortunes", ("kill", "mistake"))


def one_slot_more(patch):
    """A key has a slot more than its limit."""
    _trigger(patch, "- (select count(*)", "+ 1 - (select count(*)")


def newest_first(patch):
    """The newest run of the line gets the free slot."""
    _trigger(patch, "order by fresh, priority desc, seq", "order by seq desc")


def new_before_continued(patch):
    """A run that continues has no precedence over a new one."""
    _trigger(patch, "order by fresh, priority desc, seq", "order by priority desc, seq")


def place_of_the_start(patch):
    """Between keys, the run that was started first comes first: a long line keeps other keys waiting."""
    _trigger(patch, "(place, new.changed_at - priority * 60000)", "(place, place)")


def slot_stays_with_a_wait(patch):
    """A run that waits for something keeps its slot."""
    _trigger(patch, "set has_slot = 0", "set has_slot = 1")


def line_without_a_limit_stays(patch):
    """Runs that came before the first worker stay in line until one of their key changes."""
    replace_statement(patch, "rejoin_concurrency_lines", "limit 10000", "limit 0")


def wake_without_a_slot(patch):
    """A run that becomes ready needs no slot."""
    _trigger(patch, "set ready = 0, blocked = 'concurrency'", "set has_slot = 1")


def queued_runs_are_not_replaced(patch):
    """A new run cancels those that run, and leaves those in line."""
    replace_statement(patch, "list_unfinished_runs_of_key", "and id <> ?", "and started_at is not null and id <> ?")


def input_stays(patch):
    """A later start of a debounced run keeps its first input."""
    patch.setattr(LimitedWorld, "automations", (DEBOUNCED,))
    replace_statement(patch, "replace_start", "set input = :input", "set input = coalesce(input, :input)")


def debounce_without_end(patch):
    """A series of starts delays its run as long as it lasts."""
    patch.setattr(LimitedWorld, "automations", (DEBOUNCED,))
    original = start_limits._replace

    def replace(tx, command, run, due_at):
        original(tx, command, run, max(due_at, tx.now + (command.limits.debounce_ms or 0)))

    patch.setattr(start_limits, "_replace", replace)


def debounced_run_is_not_noted(patch):
    """Each start of a debounced key is a run of its own."""
    patch.setattr(LimitedWorld, "automations", (DEBOUNCED,))
    patch.setattr(start_limits, "record_start", lambda tx, command: None)


def resent_start_replaces_again(patch):
    """A start whose answer was lost counts twice."""
    patch.setattr(LimitedWorld, "automations", (DEBOUNCED,))
    patch.setattr(start_limits, "_find_replaced", lambda tx, command: None)


def throttle_counts_one_less(patch):
    """A start more than the limit is accepted."""
    original = RateWindow.free
    patch.setattr(RateWindow, "free", lambda self, now: original(self, now) + 1)


def rate_forgets_earlier_starts(patch):
    """The rate counts from one start to the next alone."""
    patch.setattr(
        RateWindow, "reserve", lambda self, now: (self.next_at(now), RateWindow(self.count, self.per_ms).spend(1, now))
    )


def newest_version_always(patch):
    """A run takes the newest version, also if a step of older code may be under way."""
    patch.setattr(LimitedWorld, "automations", (CHANGED,))
    patch.setattr(ChangeVersions, "choose", lambda self, change, newest, is_nothing_left: newest)


def loss_is_forgotten(patch):
    """A claim after a loss that starts nothing hides the loss."""
    patch.setattr(LimitedWorld, "automations", (CHANGED,))
    _deploy_often(patch)
    patch.setattr(Driver, "_is_returned", True)


def answer_is_not_awaited(patch):
    """Steps begin before the version is in the journal."""
    patch.setattr(LimitedWorld, "automations", (CHANGED,))
    patch.setattr(RunVersions, "are_saving", False)


PLANTS = (
    *(
        one_slot_more,
        newest_first,
        new_before_continued,
        place_of_the_start,
        slot_stays_with_a_wait,
        wake_without_a_slot,
    ),
    *(line_without_a_limit_stays, queued_runs_are_not_replaced),
    *(input_stays, debounce_without_end, debounced_run_is_not_noted, resent_start_replaces_again),
    *(throttle_counts_one_less, rate_forgets_earlier_starts),
    *(newest_version_always, loss_is_forgotten, answer_is_not_awaited),
)
ON_A_SERVER = (one_slot_more, slot_stays_with_a_wait)
FOUND_AT: dict[str, dict[str, int]] = {"sqlite": {}, "postgres": {}}
"""As in `test_planted_bugs`."""


@pytest.mark.slow
@planted_on(
    sample("planted bugs of limits", PLANTS, one_in=3),
    sample("planted bugs of limits on a server", ON_A_SERVER, one_in=2),
)
def test_planted_bug_of_a_limit_is_found(store, plant, monkeypatch):
    """Within a few seeds a rule is broken."""
    plant(monkeypatch)
    live = functools.partial(simulate, store=store, kind=LimitedWorld)
    assert found_within(200, live, FOUND_AT[store].get(plant.__name__, 0)) is not None
