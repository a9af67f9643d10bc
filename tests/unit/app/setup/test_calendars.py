"""Configured calendars: their holidays become dates when automations are loaded, and what cannot be had is refused with its place."""

import sys
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from mainspring.app.project import Project
from mainspring.app.setup.calendars import make_calendars
from mainspring.config.settings import CalendarSettings
from mainspring.domain.errors import ConfigError
from mainspring.domain.extras import install_command
from mainspring.domain.time.schedule import Schedule
from mainspring.engine.definitions.announcement import build_announcement
from mainspring.engine.definitions.registry import Registry

NOW = round(datetime(2026, 5, 4, 12, tzinfo=UTC).timestamp() * 1000)
BANKS = (
    '[calendars.banks]\nholidays = ["DE-BY"]\nexclude = [2026-12-24, "2026-12-28..2026-12-31"]\non_closed = "next"\n'
)


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Write a project and load its automations."""

    def make(calendars: str, **files: str) -> Registry:
        monkeypatch.setenv("HOME", str(tmp_path))
        for name, text in files.items():
            (tmp_path / name.replace("_toml", ".toml").replace("_py", ".py")).write_text(text)
        names = [name.replace("_toml", ".toml").replace("_py", ".py") for name in files]
        config = tmp_path / "mainspring.toml"
        config.write_text(f"{calendars}[project]\nautomations = {names!r}\n")
        return Project.find(config=config).load_registry()

    return make


def made(**settings):
    return make_calendars({"c": CalendarSettings(**settings)}, NOW)["c"]()


def test_holidays_become_dates_for_years_ahead():
    """Of a country, of a part of it, and of an exchange."""
    germany, bavaria, exchange = (made(holidays=(code,)) for code in ("DE", "DE-BY", "XNYS"))
    assert (germany.known_from, germany.known_until) == (2023, 2036)
    assert date(2026, 12, 25) in germany.dates
    assert date(2036, 10, 3) in germany.dates
    assert set(bavaria.dates) - set(germany.dates) >= {date(2026, 1, 6), date(2026, 6, 4)}
    assert date(2026, 7, 3) in exchange.dates
    assert made().dates == ()


@pytest.mark.parametrize("code", ["XX", "DE-QQ", "NOPE"])
def test_holidays_that_no_one_knows_are_refused(code):
    """With the code that was written."""
    with pytest.raises(ConfigError, match=code) as refused:
        made(holidays=(code,))
    assert refused.value.hint


def test_missing_package_is_reported_with_the_line_that_installs_it(monkeypatch):
    """And only where a calendar has holidays."""
    monkeypatch.setitem(sys.modules, "holidays", None)
    assert made().name == "c"
    with pytest.raises(ConfigError) as refused:
        made(holidays=("DE",))
    assert refused.value.hint == install_command("holidays")


def test_schedule_keeps_to_the_calendar_of_the_configuration(load):
    """Scripts and functions alike; what is announced needs neither configuration nor package."""
    registry = load(
        BANKS,
        one_py='import mainspring as ms\n@ms.task(at="09:00", tz="Europe/Berlin", calendar="banks")\ndef pay() -> None: ...\n',
        two_toml='[script.sweep]\ncmd = "true"\nevery = "1h"\ncalendar = "banks"\n',
    )
    assert registry.problems == []
    rows = {row.name: row for row in build_announcement(registry, NOW).schedules}
    pay = registry.get("pay").definition.schedules[0]
    christmas = round(datetime(2026, 12, 24, 8, tzinfo=UTC).timestamp() * 1000)
    assert f"{pay.local(pay.next_after(christmas - 1)):%F %H:%M}" == "2027-01-04 09:00"
    assert b'"2026-12-25"' in rows["pay"].spec
    assert Schedule.from_data(registry.get("sweep").definition.to_data()["schedules"][0]).calendar.name == "banks"


def test_dates_of_another_year_leave_the_key_as_it_is(load):
    """Next year's announcement is of the same schedule."""
    text = 'import mainspring as ms\n@ms.task(cron="0 9 * * *", calendar="banks")\ndef pay() -> None: ...\n'
    first = build_announcement(load(BANKS, one_py=text), NOW).schedules[0]
    later = make_calendars({"banks": CalendarSettings(holidays=("DE-BY",))}, NOW + 400 * 86_400_000)["banks"]()
    assert later.key == made(holidays=("DE-BY",)).key.replace('"c"', '"banks"')
    assert first.key.startswith("cron 0 9 * * * UTC {")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ('cron="0 0 30 2 *"', "never fires"),
        ('cron="0 3 * * *", tz="Europe/Berln"', "Did you mean 'Europe/Berlin'?|Europe/Berlin"),
        ('cron="0 3 * * SAT", calendar="business-days"', "never happens"),
        ('cron="0 3 * * *", calendar="bank"', "banks"),
        ('at="2026-02-30T10:00"', "not a date and time"),
        ('every="5m", jitter="5m"', "not shorter"),
        ('cron="0 3 * * *", misfire="all:0"', "none of the choices"),
    ],
)
def test_schedule_that_cannot_work_is_refused_with_file_and_line(load, options, sentence):
    """In a module and in a file of scripts; the others of the file of scripts are there."""
    toml = "\n".join(part.strip() for part in options.replace('", ', '"\n').splitlines())
    registry = load(
        BANKS,
        one_py=f"import mainspring as ms\n\n@ms.task({options})\ndef work() -> None: ...\n",
        two_toml=f'[script.good]\ncmd = "true"\n\n[script.bad]\ncmd = "true"\n{toml}\n',
    )
    module, script = sorted(registry.problems, key=lambda problem: problem.where)
    assert Path(module.where.rpartition(":")[0]).name == "one.py"
    assert module.where.rpartition(":")[2] in "34"
    assert "two.toml:4 [script.bad]" in script.where
    for problem in (module, script):
        assert any(part in problem.what + problem.how for part in sentence.split("|"))
    assert [definition.name for definition in registry] == ["good"]


def test_decorator_that_cannot_work_is_refused_with_file_and_line(load):
    """`ms.on.cron` is checked where it stands."""
    registry = load(
        "", one_py='import mainspring as ms\n\n@ms.on.cron("61 * * * *")\n@ms.task\ndef work() -> None: ...\n'
    )
    (problem,) = registry.problems
    assert problem.where.endswith("one.py:3")
    assert "bad minute" in problem.what


@pytest.mark.parametrize("at", ["above", "below"])
def test_stacked_schedules_keep_to_the_calendar_too(load, at):
    """Whichever side of the decorator they stand on."""
    lines = ["@ms.on.cron('0 9 * * *')", "@ms.task(calendar='banks')"]
    stacked = lines if at == "above" else lines[::-1]
    registry = load(BANKS, one_py="\n".join(["import mainspring as ms", *stacked, "def work() -> None: ..."]))
    assert registry.problems == []
    assert registry.get("work").definition.schedules[0].calendar.name == "banks"


def test_calendar_that_was_not_known_is_a_problem_and_starts_nothing():
    """An automation that was declared before the configuration was read must not run on closed days in silence."""
    import mainspring as ms

    with Registry() as registry:

        @ms.task(cron="0 9 * * *", calendar="banks")
        def pay() -> None: ...

    assert build_announcement(registry, NOW).schedules == ()
    (problem,) = registry.problems
    assert "uses calendar 'banks'" in problem.what


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('weekdays = ["MOO"]', "is not a weekday"),
        ('holidays = ["Bavaria!"]', "names no holidays"),
        ('exclude = ["24.12."]', "is not a date"),
        ('on_closed = "before"', "on_closed"),
        ("closed = 1", "closed"),
    ],
)
def test_wrong_value_of_a_calendar_is_refused_with_its_line(load, text, sentence):
    """Like any other of the configuration."""
    with pytest.raises(ConfigError, match=sentence) as refused:
        load(f"[calendars.banks]\n{text}\n")
    assert "mainspring.toml:2" in refused.value.message
