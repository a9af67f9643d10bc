"""Options of created schedules: read, merged with a change, and turned into a schedule."""

import pytest

from mainspring.domain.definitions.definition import Definition, DefinitionKind
from mainspring.domain.definitions.schedule_options import (
    apply_schedule_options,
    check_schedule_name,
    describe_options,
    make_schedule,
    merge_options,
    read_schedule_options,
)
from mainspring.domain.errors import OptionError, UnknownNameError
from mainspring.domain.time.calendar import Calendar
from mainspring.domain.time.schedule import Schedule

MINUTE = 60_000


def test_options_become_canonical_and_none_stays():
    """As those of a definition do."""
    stated = {"cron": "0 3 * * *", "jitter": 90, "tags": ["vip"], "misfire": None}
    assert read_schedule_options(stated, "a") == {
        "cron": ["0 3 * * *"], "jitter": "1m30s", "misfire": None, "tags": {"vip": ""},
    }  # fmt: skip
    with pytest.raises(UnknownNameError, match="crom"):
        read_schedule_options({"crom": "0 3 * * *"}, "a")
    with pytest.raises(OptionError, match="schedule 'a'"):
        read_schedule_options({"overlap": "wait"}, "a")


@pytest.mark.parametrize(
    ("before", "stated", "merged"),
    [
        ({}, {"every": "1h"}, {"every": "1h"}),
        ({}, {"cron": ["0 3 * * *"]}, {"cron": ["0 3 * * *"], "tz": "Asia/Tokyo"}),
        ({"cron": ["0 3 * * *"], "tz": "UTC"}, {"every": "1h"}, {"every": "1h"}),
        ({"every": "1h", "jitter": "1m"}, {"at": ["06:00"]}, {"at": ["06:00"], "tz": "Asia/Tokyo", "jitter": "1m"}),
        ({"every": "1h", "jitter": "1m"}, {"jitter": None}, {"every": "1h"}),
        ({"every": "1h"}, {"calendar": "c"}, {"every": "1h", "tz": "Asia/Tokyo", "calendar": "c"}),
        ({"every": "1h", "tz": "UTC", "calendar": "c"}, {"calendar": None}, {"every": "1h"}),
        ({"every": "1h"}, {"tz": "UTC"}, {"every": "1h", "tz": "UTC"}),
    ],
)
def test_change_keeps_what_it_does_not_state(before, stated, merged):
    """A new time takes the place of the time before, and a time of the wall clock has a zone."""
    assert merge_options(before, stated, "Asia/Tokyo") == merged


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({}, "states none of cron, every and at"),
        ({"at": ["03:00", "04:00"], "tz": "UTC"}, "states 2 of"),
        ({"every": "1h", "tz": "UTC"}, "has no time zone"),
        ({"every": "1h", "jitter": "1h"}, "is not shorter"),
    ],
)
def test_options_that_make_no_schedule_are_refused(options, problem):
    """The error names the schedule."""
    with pytest.raises(OptionError, match=f"schedule 'a'.*{problem}"):
        make_schedule("a", options, None)


def test_schedule_has_its_calendar_and_words():
    """Its dates come from the caller."""
    options = {
        "cron": ["0 3 * * *"],
        "tz": "UTC",
        "calendar": "c",
        "overlap": "queue",
        "tags": {"vip": "", "team": "x"},
    }
    schedule = make_schedule("a", options, Calendar(name="c"))
    assert describe_options(schedule, options) == (
        "every day at 03:00 (UTC), on days of c; overlap queue; tags vip, team=x"
    )


@pytest.mark.parametrize("name", ["", " a", "a\nb", "a#1", "x" * 201, 5])
def test_name_must_be_plain(name):
    """On one line, without the # of schedules in code."""
    with pytest.raises(OptionError, match="schedule"):
        check_schedule_name(name)


def test_own_options_replace_those_of_the_automation():
    """What is left out stays that of the automation; a run is about the schedule unless the automation says otherwise."""
    definition = Definition(
        kind=DefinitionKind.TASK, name="a", options={"misfire": "all", "overlap": "queue", "tags": {"team": "x"}}
    )
    applied = apply_schedule_options(definition, {"overlap": "skip", "tags": {"vip": ""}})
    assert [applied.option(name) for name in ("misfire", "overlap", "jitter", "healthy")] == [
        "all",
        "skip",
        None,
        "item",
    ]
    assert applied.option("tags") == {"team": "x", "vip": ""}
    stated = Definition(kind=DefinitionKind.TASK, name="a", options={"healthy": "automation"})
    assert apply_schedule_options(stated, {}).option("healthy") == "automation"


def test_slots_before_a_change_are_those_of_the_earlier_form():
    """Then those of the new form; a form without slots to be made is dropped."""
    first, second, third = (Schedule.parse(every=every) for every in ("10m", "4m", "7m"))
    changed = second.replacing(first, 10 * MINUTE, 25 * MINUTE)
    assert [at // MINUTE for at in changed.slots_between(0, 40 * MINUTE)] == [10, 20, 28, 32, 36, 40]
    assert changed.newest_between(0, 29 * MINUTE, 2) == [20 * MINUTE, 28 * MINUTE]
    again = third.replacing(changed, 20 * MINUTE, 34 * MINUTE)
    assert [at // MINUTE for at in again.slots_between(15 * MINUTE, 50 * MINUTE)] == [20, 28, 32, 35, 42, 49]
    assert again.depth == 2
    assert third.replacing(changed, 28 * MINUTE, 34 * MINUTE).depth == 1
    assert Schedule.from_data(again.to_data()) == again
    assert again.describe() == third.describe()
