"""The one extra line of a crontab: it reports what has stopped, and exactly that."""

import json
import os
import random

from mainspring.app.exec.watch_round import WatchReport, watch_once
from mainspring.config import load
from tests.acceptance.receiver import Receiver
from tests.acceptance.wrapping import Place

HOUR = 3_600_000


class LaterClock:
    """The clock of someone who looks some time after the last end on record."""

    def __init__(self, place: Place, hours: float) -> None:
        ((last,),) = place.rows("select max(finished_at) from runs")
        self.now_at = last + round(hours * HOUR)

    def now(self) -> int:
        return self.now_at

    def random_bits(self, bits: int) -> int:
        return random.getrandbits(bits)


def watch_later(place: Place, hours: float) -> WatchReport:
    env = {**place.env, "MAINSPRING_STORE_URL": str(place.store)}
    settings = load(env=env, cwd=place.folder, uid=os.getuid(), flags={})
    return watch_once(settings, LaterClock(place, hours))


def silent(report: WatchReport) -> list[str]:
    return [incident.name for incident in report.silent]


def test_vanished_crontab_line_is_reported(place: Place) -> None:
    """Two lines are expected; the backup's vanishes: after period and grace it is reported, the other one is not."""
    place.exec("-n", "backup", "--every", "1h", "--owner", "ops", "--", "true")
    place.exec("-n", "report", "--every", "1d", "--", "true")
    assert silent(watch_later(place, 1.9)) == []
    report = watch_later(place, 2.1)
    assert (silent(report), report.evaluated_count, report.silent[0].owner) == (["backup"], 2, "ops")


def test_watch_of_an_older_crontab_line_still_works(place: Place) -> None:
    """`--once` is what it always does: the line may be the only watcher there is."""
    place.exec("-n", "backup", "--every", "1h", "--", "true")
    done = place.call("watch", "--once")
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"--once" not in place.call("watch", "--help").stdout


def test_schedule_of_a_crontab_line_is_in_the_zone_of_the_system(place: Place) -> None:
    """cron counts in the zone of the system, so `--cron` does, unless the project or `--tz` states another one."""
    place.env["TZ"] = "Asia/Tokyo"
    zones = "select json_extract(spec, '$.tz') from schedules"
    words = ("-n", "backup", "--cron", "0 3 * * *")
    place.exec(*words, "--", "true")
    assert place.rows(zones) == [("Asia/Tokyo",)]
    place.exec(*words, "--", "true", env={"MAINSPRING_PROJECT_TIMEZONE": "Europe/Berlin"})
    assert place.rows(zones) == [("Europe/Berlin",)]
    place.exec(*words, "--tz", "America/Lima", "--", "true", env={"MAINSPRING_PROJECT_TIMEZONE": "Europe/Berlin"})
    assert place.rows(zones) == [("America/Lima",)]


def test_watch_reports_in_words_and_json(place: Place) -> None:
    """Each round prints a line on stderr for what is silent, and the exit code is 9 until a success ends it."""
    place.exec("-n", "backup", "--cron", "0 3 * * *", "--tz", "Europe/Berlin", "--", "true")
    assert place.watch()[0] == 0
    for table, column in (("runs", "finished_at"), ("rollups", "minute_at"), ("schedules", "low_water_at")):
        place.rows(f"update {table} set {column} = {column} - {4 * 24 * HOUR}")
    code, found, output = place.watch()
    assert (code, [incident["name"] for incident in found["silent"]]) == (9, ["backup"])
    assert output.startswith("[notify] backup: no success for ")
    code, found, output = place.watch()
    (line,) = output.splitlines()
    assert (
        code,
        line.startswith("backup: no success, expected every day at 03:00 (Europe/Berlin); the last one: "),
    ) == (9, True)
    place.exec("-n", "backup", "--cron", "0 3 * * *", "--tz", "Europe/Berlin", "--", "true")
    assert place.watch()[0] == 0


def test_watch_prints_silent_automations_also_with_a_channel(place: Place, receiver: Receiver) -> None:
    """The channel is reported once, and each round says what is silent still."""
    place.env |= receiver.settings
    place.exec("-n", "backup", "--every", "1h", "--", "true")
    for table, column in (("runs", "finished_at"), ("rollups", "minute_at"), ("schedules", "low_water_at")):
        place.rows(f"update {table} set {column} = {column} - {4 * HOUR}")
    for _ in range(2):
        code, _, output = place.watch()
        assert (code, [line.partition(",")[0] for line in output.splitlines()]) == (9, ["backup: no success"])
    assert [message["data"]["about"] for message in receiver.messages] == ["opened"]


def test_failures_are_silence_too(place: Place) -> None:
    """A line that runs and fails each time has no success, and that is what is asked for."""
    place.exec("-n", "backup", "--every", "1h", "--", "true")
    place.rows("update rollups set minute_at = minute_at - ?", 3 * HOUR)
    place.rows("update runs set finished_at = finished_at - ?", 3 * HOUR)
    place.rows("update schedules set low_water_at = low_water_at - ?", 3 * HOUR)
    place.exec("-n", "backup", "--every", "1h", "--", "false")
    assert place.watch()[0] == 9


def test_line_that_never_succeeded_is_reported(place: Place) -> None:
    """Expecting begins with the first call, not with the first success."""
    place.exec("-n", "backup", "--every", "1h", "--", "false")
    assert silent(watch_later(place, 1.9)) == []
    report = watch_later(place, 2.1)
    assert (silent(report), report.silent[0].succeeded_at) == (["backup"], None)


def test_call_by_hand_does_not_end_the_watch(place: Place) -> None:
    """A call without --cron or --every leaves the expected cadence as it is."""
    place.exec("-n", "backup", "--every", "1h", "--", "true")
    place.exec("-n", "backup", "--", "true")
    assert silent(watch_later(place, 2.1)) == ["backup"]


def test_nothing_starts_what_exec_expects(place: Place) -> None:
    """An expected cadence has no next slot, so no scheduler ever finds it due."""
    place.exec("-n", "backup", "--every", "1s", "--", "true")
    ((spec, next_slot_at),) = place.rows("select spec, next_slot_at from schedules")
    assert (json.loads(spec), next_slot_at) == ({"every": 1000, "expected": True}, None)


def test_old_success_accepted_today_is_old(place: Place) -> None:
    """A record that waited in the spool counts from when it ended, not from when it was accepted."""
    place.exec("-n", "backup", "--every", "1h", "--", "true")
    stored = place.store.read_bytes()
    place.store.write_bytes(b"damaged" * 1000)
    place.exec("-n", "backup", "--every", "1h", "--", "true")
    place.store.write_bytes(stored)
    (record,) = place.spooled()
    data = json.loads(record.read_text())
    for name in ("started_at", "finished_at"):
        data["run"][name] -= 5 * HOUR
    record.write_text(json.dumps(data))
    for table, column in (("runs", "finished_at"), ("rollups", "minute_at"), ("schedules", "low_water_at")):
        place.rows(f"update {table} set {column} = {column} - {6 * HOUR}")
    code, found, _ = place.watch()
    assert (code, len(found["taken_in"]), found["silent"][0]["name"]) == (9, 1, "backup")


def test_paused_and_retired_are_not_missed(place: Place) -> None:
    """What a person took out of service is not reported."""
    place.exec("-n", "backup", "--every", "1h", "--", "true")
    place.rows("update automations set paused_at = 1")
    assert watch_later(place, 9).silent == []
    place.rows("update automations set paused_at = null")
    assert silent(watch_later(place, 9)) == ["backup"]
    place.rows("update automations set retired_at = 1")
    assert watch_later(place, 9).silent == []


def test_line_that_vanished_is_one_incident_and_one_message(place: Place, receiver: Receiver) -> None:
    """A crontab of two lines; the backup's is removed. Exactly one incident, one delivered message, and one when it is back."""
    place.env |= receiver.settings
    for name in ("backup", "report"):
        place.exec("-n", name, "--every", "1h", "--", "true")
    for table, column in (("runs", "finished_at"), ("rollups", "minute_at"), ("schedules", "low_water_at")):
        place.rows(f"update {table} set {column} = {column} - {2 * HOUR}")
    place.exec("-n", "report", "--every", "1h", "--", "true")
    place.rows(f"update rollups set minute_at = minute_at - {HOUR} where automation = 'backup'")
    place.rows(f"update runs set finished_at = finished_at - {HOUR} where automation = 'backup'")
    for _ in range(3):
        assert place.watch()[0] == 9
    assert place.rows("select automation, kind, state from incidents") == [("backup", "silence", "open")]
    assert [message["data"]["about"] for message in receiver.messages] == ["opened"]
    assert receiver.messages[0]["data"]["headline"].startswith("[notify] backup: no success for ")
    place.exec("-n", "backup", "--every", "1h", "--", "true")
    assert [message["data"]["about"] for message in receiver.messages] == ["opened", "resolved"], (
        "told by the call that mended it"
    )
    assert place.watch()[0] == 0


def test_wrapped_command_reports_its_failure_itself(place: Place, receiver: Receiver) -> None:
    """No process of ours stays: the call that failed tells it, once however often it fails, and the one that succeeds ends it."""
    place.env |= receiver.settings
    for _ in range(3):
        assert place.sh("echo no such host >&2; exit 3").returncode == 3
    (message,) = receiver.messages
    assert "line" in message["data"]["headline"]
    assert "no such host" in json.dumps(message)
    assert place.rows("select number from incidents") == [(3,)]
    assert place.sh("true").returncode == 0
    assert [message["data"]["about"] for message in receiver.messages] == ["opened", "resolved"]


def test_complaint_11_dump_that_is_empty_is_reported(place: Place, receiver: Receiver) -> None:
    """The line ended well and made nothing: that is a failure, told once, and over with a dump that holds something."""
    place.env |= receiver.settings
    words = ("-n", "backup", "--every", "1h", "--produces", "dump.gz", "--", "sh", "-c")
    for _ in range(2):
        assert place.exec(*words, ": > dump.gz").returncode == 1
    (message,) = receiver.messages
    assert "backup" in message["data"]["headline"]
    assert "dump.gz is empty" in message["data"]["headline"]
    assert place.exec(*words, "echo x > dump.gz").returncode == 0
    assert [message["data"]["about"] for message in receiver.messages] == ["opened", "resolved"]


def test_channel_that_is_unreachable_holds_no_command(place: Place, receiver: Receiver) -> None:
    """It gets its exit code all the same; what could not be reported is reported by the next call."""
    place.env |= receiver.settings
    receiver.status = 503
    assert place.sh("exit 3").returncode == 3
    receiver.status = 200
    place.rows("update channels set due_at = 0")
    assert place.watch()[0] == 0
    assert [message["data"]["about"] for message in receiver.messages] == ["opened"]


def test_watch_of_a_store_that_does_not_exist_is_an_error(place: Place) -> None:
    """A mistyped store would be healthy for ever: nothing is made, and the line says where none is and what makes one."""
    code, _, output = place.watch()
    assert code == 2
    assert "there is no store" in output
    assert str(place.store) in output
    assert not place.store.exists()
    assert place.sh("true").returncode == 0
    code, found, output = place.watch()
    assert (code, found["judged"], output) == (0, 1, "")
