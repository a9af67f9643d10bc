"""auto next over a range, auto backfill, the cadence in auto show, and what doctor finds."""

import pytest

import mainspring as ms
from mainspring.domain.time.calendar import Calendar
from mainspring.engine.definitions.announcement import build_announcement
from mainspring.engine.definitions.calendars import use_calendars
from mainspring.engine.definitions.registry import Registry
from mainspring.store.commands.automations import MakeSlot

HOUR = 3_600_000


def declared(**options) -> Registry:
    with Registry() as registry:

        @ms.task(**({"cron": "0 * * * *", "name": "tidy"} | options))
        def tidy(folder: str = "/srv") -> None: ...

    return registry


@pytest.fixture
def hourly(stage):
    """An hourly task, announced; the full hour before now."""
    stage.do(build_announcement(declared(), stage.now))
    return stage.now - stage.now % HOUR


def test_next_of_a_range_marks_days_and_closed_times(cli, folder):
    """From the code alone: clocks, calendars and jitter applied."""
    (folder / "one.py").write_text(
        "import mainspring as ms\n"
        '@ms.task(cron="30 2 * * *", tz="Europe/Berlin", calendar="business-days", jitter="5m")\n'
        "def tidy() -> None: ...\n"
        '@ms.task(cron="30 2 * * SUN", tz="Europe/Berlin")\n'
        "def weekly() -> None: ...\n"
    )
    rows = cli("auto", "next", "--all", "-m", "one.py", "--from", "2026-03-27", "--to", "2026-03-31", "--json").json
    assert [(row["name"], row["local"][8:16], row["starts"] == "closed", row["day"]) for row in rows] == [
        ("tidy", "27 02:30", False, ""),
        ("tidy", "28 02:30", True, ""),
        ("tidy", "29 03:00", True, "clocks go forward"),
        ("weekly", "29 03:00", False, "clocks go forward"),
        ("tidy", "30 02:30", False, ""),
    ]
    assert rows[0]["starts_at"] > rows[0]["slot_at"]
    text = cli("auto", "next", "weekly", "-m", "one.py", "--from", "2026-03-27", "--to", "2026-03-31").out
    assert "clocks go forward" in text


def test_next_of_a_range_displays_what_is_on_record(cli, stage, hourly):
    """Beside what would have run, what did."""
    stage.do(MakeSlot("tidy", hourly, hourly + HOUR, "skipped", None, "run r_1 has not ended"))
    rows = cli("auto", "next", "tidy", "--from", "3h", "--json").json
    assert [row["record"] for row in rows] == [None, None, "skipped: run r_1 has not ended"]


def test_next_needs_one_name_or_all(cli, stage):
    """And a range that begins."""
    assert cli("auto", "next").code == 2
    assert cli("auto", "next", "backup", "--all").code == 2
    assert cli("auto", "next", "backup", "--to", "2026-03-31").code == 2
    assert len(cli("auto", "next", "--all", "--from", "now", "--to", "+3d", "--json").json) == 3


def test_backfill_previews_confirms_and_runs_once(cli, stage, hourly):
    """Counts, wants a yes, and finds everything made the second time."""
    result = cli("auto", "backfill", "tidy", "--from", "3h", "--dry-run")
    assert "3 runs of tidy would be started" in result.out + result.err
    assert cli("auto", "backfill", "tidy", "--from", "3h").code == 2
    done = cli(
        "auto", "backfill", "tidy", "--from", "3h", "--rate", "1/m", "-y", "--reason", "lost disk", "--json"
    ).json
    assert (done["made"], done["had_run"], done["refused"]) == (3, 0, {})
    again = cli("auto", "backfill", "tidy", "--from", "3h", "-y")
    assert "0 runs of tidy started." in again.out
    assert "3 due times had a run already." in again.out
    (act,) = {
        (row["verb"], row["reason"]) for row in cli("audit-log", "list", "--json").json if row["verb"] == "backfill"
    }
    assert act == ("backfill", "lost disk")


def test_backfill_of_what_has_no_schedule_is_refused(cli, stage):
    """It has no due times."""
    result = cli("auto", "backfill", "order", "--from", "3h", "-y")
    assert result.code == 3
    assert "no schedule" in result.err


def checks(cli, name):
    return [check for check in cli("doctor", "--json").json if check["name"] == name]


def test_cadence_that_slips_is_displayed_and_found(cli, stage):
    """Declared each minute, and none of it run, since one run continues for ever."""
    stage.do(build_announcement(declared(every="1m", cron=None), stage.now))
    top = stage.now - stage.now % 60_000
    for n in range(12, 0, -1):
        stage.do(MakeSlot("tidy", top - n * 60_000, top - (n - 1) * 60_000, "skipped", None, "goes on"))
    assert cli("auto", "show", "tidy", "--json").json["cadence"][0]["slips"] is True
    assert "none of the last 12 slots was run; declared is one each 1m" in cli("auto", "show", "tidy").out
    (found,) = checks(cli, "cadence")
    assert (found["state"], found["text"][:5]) == ("warning", "tidy:")
    assert "overlap=" in found["fix"]


def test_show_reports_what_clocks_do(cli, stage, hourly):
    """The policy by name, where there is a time of day; no cadence where nothing was served."""
    out = cli("auto", "show", "tidy").out
    assert "cadence" not in out
    assert "first instant after the gap" in cli("auto", "show", "backup").out


def test_doctor_finds_slots_without_run_or_record(cli, stage, hourly, monkeypatch):
    """Computed again from the definition; with the command that fixes it."""
    assert checks(cli, "slots")[0]["state"] == "ok"
    now = hourly + 5 * HOUR + HOUR // 2  # of the fixture's hour: another one may have begun since
    monkeypatch.setattr(type(stage.clock), "now", lambda self: now)
    stage.do(MakeSlot("tidy", hourly + HOUR, now - now % HOUR + HOUR, "skipped"))
    (found,) = [
        check for check in checks(cli, "slots") if "tidy" in check["text"]
    ]  # backup is due in this time at night
    assert found["state"] == "problem"
    assert "tidy: 4 due times with neither run nor record" in found["text"]
    assert "auto backfill" in found["fix"]


def test_doctor_warns_of_calendars_that_are_not_known_for_long(cli, stage):
    """Dates that were frozen years ago end one day."""
    old = Calendar(name="banks", holidays=("DE",), known_from=2015, known_until=2020)
    with use_calendars({"banks": lambda: old}):
        stage.do(build_announcement(declared(calendar="banks"), stage.now))
    (found,) = checks(cli, "calendars")
    assert found["state"] == "warning"
    assert "banks" in found["text"]
    assert "2020" in found["text"]
