"""Calendars: which days are open, and where slots of closed days go."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.domain.errors import OptionError
from mainspring.domain.time.calendar import Calendar
from mainspring.domain.time.schedule import Schedule

BERLIN = ZoneInfo("Europe/Berlin")
CHRISTMAS = [date(2026, 12, 25), date(2026, 12, 26), date(2027, 1, 1)]
BANKS = Calendar.parse("banks", holidays=["DE"], exclude=["2026-12-24", "2026-12-31"]).with_dates(CHRISTMAS, 2026, 2027)
DAYS = st.dates(date(2026, 1, 1), date(2027, 12, 31))


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def times(schedule: Schedule, after: str, count: int) -> list[str]:
    slots = schedule.slots_between(ms(after), ms("2099-01-01T00:00Z"), count)
    return [f"{schedule.local(slot):%m-%d %a %H:%M}" for slot in slots]


def schedule_on(calendar: Calendar, **spec: str) -> Schedule:
    return Schedule.parse(**spec).with_calendar(calendar, "Europe/Berlin")


def test_slots_on_closed_days_are_omitted():
    """Weekends, holidays and dates that someone named."""
    schedule = schedule_on(BANKS, cron="0 18 * * *", tz="Europe/Berlin")
    assert times(schedule, "2026-12-23T00:00Z", 5) == [
        *("12-23 Wed 18:00", "12-28 Mon 18:00", "12-29 Tue 18:00", "12-30 Wed 18:00"),
        "01-04 Mon 18:00",
    ]


def test_slots_on_closed_days_move_to_the_next_open_one():
    """To the same time of the day; those that meet are one."""
    moving = msgspec.structs.replace(BANKS, on_closed="next")
    assert times(schedule_on(moving, cron="0 18 1,24,26 * *", tz="Europe/Berlin"), "2026-12-20T00:00Z", 3) == [
        *("12-28 Mon 18:00", "01-04 Mon 18:00", "01-25 Mon 18:00"),
    ]
    late_and_early = schedule_on(moving, cron="0 1,23 * * SAT,SUN", tz="Europe/Berlin")
    assert times(late_and_early, "2026-11-01T12:00Z", 3) == ["11-02 Mon 01:00", "11-02 Mon 23:00", "11-09 Mon 01:00"]


def test_elapsed_time_has_no_time_of_day_to_be_moved_by():
    """An interval is left out on closed days, whatever on_closed says."""
    moving = msgspec.structs.replace(BANKS, on_closed="next")
    for schedule in (schedule_on(moving, every="6h"), schedule_on(moving, cron="0 */6 * * *", tz="Europe/Berlin")):
        slots = schedule.slots_between(ms("2026-12-23T00:00Z"), ms("2026-12-28T22:00Z"))
        assert {schedule.local(slot).date() for slot in slots} == {date(2026, 12, 23), date(2026, 12, 28)}


def test_moved_slot_obeys_the_rule_of_the_gap():
    """Sunday 02:30 that moves to a day whose clocks have no 02:30 comes at the first instant after."""
    open_sundays = Calendar.parse("sundays", weekdays=["SUN"], on_closed="next")
    schedule = schedule_on(open_sundays, cron="30 2 * * SAT", tz="Europe/Berlin")
    assert times(schedule, "2026-03-27T00:00Z", 2) == ["03-29 Sun 03:00", "04-05 Sun 02:30"]


def test_included_day_is_open_despite_other_rules():
    """A Saturday on which work is made up for."""
    calendar = Calendar.parse("shop", include=["2026-05-02"], exclude=["2026-05-01..2026-05-03"])
    assert times(schedule_on(calendar, cron="0 9 * * *", tz="Europe/Berlin"), "2026-04-30T12:00Z", 2) == [
        *("05-02 Sat 09:00", "05-04 Mon 09:00"),
    ]


def test_days_are_those_of_the_schedule_s_zone():
    """Friday evening in Honolulu is Saturday in Berlin."""
    friday = ms("2026-05-09T05:00Z")
    for zone, found in (("Pacific/Honolulu", friday), ("Europe/Berlin", ms("2026-05-11T05:00Z"))):
        schedule = Schedule.parse(every="24h", offset="5h").with_calendar(Calendar(name="b"), zone)
        assert schedule.next_after(friday - 1) == found


@pytest.mark.parametrize("spec", [{"cron": "0 3 * * SAT"}, {"cron": "0 3 * * SUN#1"}, {"at": "2026-05-02T10:00"}])
def test_schedule_whose_days_are_all_closed_is_refused(spec):
    """It would never fire, in silence."""
    with pytest.raises(OptionError, match="never happens: calendar 'business-days'") as refused:
        Schedule.parse(**spec).with_calendar(Calendar(name="business-days"))
    assert "next" in refused.value.hint


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"weekdays": ["MON-FRY"]}, "is not a weekday"),
        ({"weekdays": ["FRI-MON"]}, "is not a weekday"),
        ({"weekdays": [1]}, "is not a weekday"),
        ({"weekdays": []}, "no open day"),
        ({"holidays": ["Germany"]}, "names no holidays"),
        ({"exclude": ["24.12.2026"]}, "is not a date"),
        ({"exclude": ["2026-12-31..2026-12-24"]}, "ends before it begins"),
        ({"include": [7]}, "is not a date"),
        ({"on_closed": "before"}, "none of the choices"),
    ],
)
def test_calendar_refuses_what_cannot_work(values, sentence):
    """Each refusal says how to fix it."""
    with pytest.raises(OptionError, match=sentence) as refused:
        Calendar.parse("x", **values)
    assert refused.value.hint


def test_key_depends_on_rules_and_not_on_years():
    """Dates that are looked up again do not make another schedule of it."""
    assert BANKS.key == BANKS.with_dates([], 0, 0).key != Calendar.parse("banks").key
    schedule = schedule_on(BANKS, cron="0 3 * * *", tz="Europe/Berlin")
    assert Schedule.from_data(msgspec.json.decode(msgspec.json.encode(schedule.to_data()))) == schedule


def test_schedule_of_a_calendar_that_never_opens_again_ends():
    """Only named days are open, and they are over."""
    calendar = Calendar.parse("fair", weekdays=[], include=["2026-05-01..2026-05-03"])
    schedule = schedule_on(calendar, cron="0 9 * * *", tz="Europe/Berlin")
    assert times(schedule, "2026-01-01T00:00Z", 5) == ["05-01 Fri 09:00", "05-02 Sat 09:00", "05-03 Sun 09:00"]


@given(
    spec=st.sampled_from(
        [{"cron": "30 2 * * *"}, {"cron": "0 1,23 * * *"}, {"cron": "*/30 */5 * * *"}, {"every": "5h"}]
    ),
    closed=st.lists(DAYS, max_size=40),
    opened=st.lists(DAYS, max_size=5),
    weekdays=st.lists(st.integers(0, 6), min_size=1, unique=True),
    on_closed=st.sampled_from(["skip", "next"]),
    after=st.integers(0, 400),
)
def test_next_slot_is_the_next_of_all_slots(spec, closed, opened, weekdays, on_closed, after):
    """Against a calendar that is walked day by day: each slot on its open day, or moved, none doubled, none left out."""
    calendar = Calendar(
        name="x",
        weekdays=tuple(sorted(weekdays)),
        exclude=tuple((day, day) for day in sorted(closed)),
        include=tuple((day, day) for day in sorted(opened)),
        on_closed=on_closed,
    )
    bare = Schedule.parse(**spec, **({"tz": "Europe/Berlin"} if "cron" in spec else {}))
    schedule = bare.with_calendar(calendar, "Europe/Berlin")
    start = ms("2026-01-10T00:00Z") + after * 86_400_000
    expected = set()
    for slot in bare.slots_between(start - 60 * 86_400_000, start + 60 * 86_400_000, 10_000):
        local = datetime.fromtimestamp(slot / 1000, BERLIN)
        day = local.date()
        if on_closed == "next" and bare.has_time_of_day:
            while not calendar.is_open(day):
                day += timedelta(days=1)
            local = local if day == local.date() else datetime.combine(day, local.time(), BERLIN).astimezone(UTC)
        elif not calendar.is_open(day):
            continue
        expected.add(round(local.timestamp() * 1000))
    slots_expected = sorted(slot for slot in expected if start < slot <= start + 20 * 86_400_000)
    assert schedule.slots_between(start, start + 20 * 86_400_000) == slots_expected


@pytest.mark.parametrize("days", [40, 400])
def test_many_closed_days_cost_one_check_each(days):
    """However many slots each of them has, and whether the time is before the open day or on it."""
    first = date(2026, 1, 5)
    calendar = Calendar(
        name="x", weekdays=tuple(range(7)), exclude=((first, first + timedelta(days=days - 1)),), on_closed="next"
    )
    days_read: list[int] = []

    def bare(at: int) -> int | None:
        days_read.append(at)
        return plain.bare_next_after(at)

    plain = Schedule.parse(cron="0,5,10,15,20,25,30,35,40,45,50,55 8-18 * * *", tz="Europe/Berlin")
    opens = datetime.combine(first + timedelta(days=days), time(8), BERLIN)
    slot = ms("2026-01-05T00:00Z")
    for minutes in (0, 5, 10):
        days_read.clear()
        slot = calendar.next_after(slot, bare, BERLIN, moves=True)
        assert slot == round((opens + timedelta(minutes=minutes)).timestamp() * 1000)
        assert len(days_read) <= 2 * days + 3
