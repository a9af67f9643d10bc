"""Every change of clocks of every zone, 2020 to 2037: the slots are those of a second reading of the rules, minute by minute.

`TESTS_LONG=1` takes all zones; without it a share of them that a seed chooses (`SEED=n`), for some
seconds, and longer where the machine is too busy to make enough decisions in them.
"""

import os
import random
import time
from datetime import date
from zoneinfo import ZoneInfo, available_timezones

import pytest

from mainspring.domain.time.cron import Cron, expand_cron
from tests.unit.domain.cron_oracle import Change, Line, changes_of, slots_about

ALL = os.environ.get("TESTS_LONG") == "1"
SEED = int(os.environ.get("SEED", "1"))
BUDGET_S = float("inf") if ALL else 8.0
CHUNKS = 4 if ALL else 1
MINIMUM = 1_000_000 // CHUNKS if ALL else 10_000
FIRST, LAST = date(2020, 1, 1), date(2038, 1, 1)

LINES = """
0 0 * * *|30 0 * * *|59 23 * * *|0 1 * * *|30 1 * * *|15 1 * * *|0 2 * * *|5 2 * * *|15 2 * * *|30 2 * * *|45 2 * * *
59 2 * * *|0 3 * * *|30 3 * * *|0 12 * * *|0,30 2 * * *|15 1,2,3 * * *|0 0,2,4 * * *|10-20/5 2 * * *|0 0-5 * * *|30 1-3/2 * * *
0 * * * *|30 * * * *|*/15 * * * *|*/20 * * * *|*/30 * * * *|7/20 * * * *|0 */2 * * *|15 */3 * * *|30 */6 * * *|0,20,40 */2 * * *
*/15 2 * * *|*/20 1 * * *|*/10 0 * * *|*/30 1-3 * * *|*/45 2,3 * * *|* 2 * * *|*/5 1 * * *
0 2 * * SUN|30 2 * * 0|30 1 * * 7|0 3 * * MON-FRI|30 2 * * SAT,SUN|15 2 * * SUN#1|0 2 * * SUN#5|30 2 * * 0L|0 1 * * 5L
30 2 1 * *|0 0 1 1 *|30 2 L * *|0 3 LW * *|30 2 25-31 * SUN|30 2 25-31 3,10 *|0 2 8-14 3 SUN|0 0 29 2 *|30 0 */2 * *
30 2 1-7 */2 SUN|0 2 * MAR,OCT SUN
15 30 2 * * *|0,30 15 2 * * *|30 */20 * * * *|5/20 59 1 * * *|10 0 */6 * * *
""".replace("\n", "|").strip("|").split("|")  # fmt: skip


class ZoneComparison:
    """Compares, and counts what it compared."""

    def __init__(self) -> None:
        self.lines = [(text, Line(text)) for text in LINES]
        self.decisions = 0
        self.errors: list[str] = []
        self._known: dict[tuple[tuple[int, int, int], str], list[int]] = {}

    def compare(self, zone: ZoneInfo, change: Change) -> None:
        """Walk each line through the hours about a change; each step is one decision."""
        for text, line in self.lines:
            first, last = change.at - 150, change.at + (330 if line.is_dense else 1_590)
            key = change.key, text
            if key not in self._known:
                self._known[key] = slots_about(line, change, first, last)
            cron, at = Cron(expand_cron(text), zone), first * 60_000 - 1
            for expected in [*self._known[key], None]:
                found = cron.next_after(at)
                self.decisions += 1
                after = found is None or found >= last * 60_000
                if not (after if expected is None else found == expected * 1_000):
                    self.errors.append(f"{zone.key}: {text!r} about {change!r}: {found} instead of {expected}")
                    break
                if found is None:
                    break
                at = found


def zones() -> list[str]:
    names = sorted(available_timezones())
    random.Random(SEED).shuffle(names)
    return names


def test_lines_are_sixty():
    """And each is one that is taken."""
    assert len(set(LINES)) == len(LINES) >= 60
    assert all(expand_cron(text) for text in LINES)


@pytest.mark.slow
@pytest.mark.timeout(0 if ALL else 120)
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_peer_temporal_8205_slots_about_each_change_of_clocks_are_those_of_the_rules(chunk, record_property):
    """PEERS 14: "zero, one, or two times in a day" is decided by the rules alone. No difference, and enough decisions to say so."""
    comparison, until, done, changes = ZoneComparison(), time.monotonic() + BUDGET_S, 0, 0
    for name in zones()[chunk::CHUNKS]:
        zone = ZoneInfo(name)
        for change in changes_of(zone, FIRST, LAST):
            comparison.compare(zone, change)
            changes += 1
            assert not comparison.errors, comparison.errors[:10]
            if comparison.decisions >= MINIMUM and time.monotonic() > until:
                break
        done += 1
        if comparison.decisions >= MINIMUM and time.monotonic() > until:
            break
    print(f"{done} zones, {changes} changes of clocks, {comparison.decisions} decisions")
    record_property("decisions", comparison.decisions)
    assert comparison.decisions >= MINIMUM


def test_a_wrong_rule_is_found():
    """Where a time that comes twice would run twice, or one that is missing not at all, the comparison says so."""
    zone = ZoneInfo("Europe/Berlin")
    for invalid, text in (("counts_elapsed", "30 2 * * *"), ("hour_is_star", "30 2 * * *")):
        comparison = ZoneComparison()
        comparison.lines = [(text, Line(text))]
        setattr(comparison.lines[0][1], invalid, True)
        for change in changes_of(zone, date(2026, 1, 1), date(2027, 1, 1)):
            comparison.compare(zone, change)
        assert comparison.errors
