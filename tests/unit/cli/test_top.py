"""`mainspring top`: one frame without a terminal, frames on one until q, and what keys lead to."""

import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time

import pytest
from msgspec.structs import replace

from mainspring.cli.status.top_detail import read_detail
from mainspring.cli.status.top_overview import ScreenTarget, format_overview, read_overview
from mainspring.domain.incidents.incident import Finding, IncidentKind, Severity, Subject
from mainspring.domain.values.sealing import PLAIN_SEALING
from mainspring.insight.status.project_status import evaluate_status, read_unresolved
from mainspring.service.view_unsealing import ViewUnsealer
from mainspring.store.commands.incidents import EvaluatedFinding, RecordEvaluation
from tests.contract.store.process import fail, finish, halt
from tests.unit.cli.conftest import ORDER


@pytest.fixture
def busy(stage):
    """Two incidents and a run that runs."""
    for number, severity in enumerate((Severity.NOTIFY, Severity.PAGE)):
        subject = Subject(f"a{number}", IncidentKind.SILENCE)
        finding = Finding(subject=subject, severity=severity, text="no \x1b[31msuccess", since_at=stage.now - 60_000)
        stage.do(RecordEvaluation(started_at=stage.now, found=(EvaluatedFinding(id=f"i_{number}", finding=finding),)))
    stage.begin()
    return stage


def frame(stage):
    reader = stage.store.reader
    return read_overview(
        reader, evaluate_status(reader, stage.now, read_unresolved(reader), store="here", environment="production")
    )


def test_without_a_terminal_it_is_reported_once(cli, busy):
    """All parts, the loudest incident first, harmless to a terminal."""
    result = cli("top")
    assert result.code == 0
    assert result.out.startswith("✗ 2 things need you: 2 open incidents (1 page, 1 notify")
    assert result.out.index("page    1m ago") < result.out.index("notify  1m ago")
    for part in ("Incidents (2)", "Running (1)", "Queues (1)", "Processes (1)", "Next (1)", "worker      pid "):
        assert part in result.out, part
    assert "\x1b" not in result.out


def test_json_has_all_of_it(cli, busy):
    """One document."""
    document = cli("top", "--json").json
    assert [incident["id"] for incident in document["incidents"]] == ["i_1", "i_0"]
    assert [run["automation"] for run in document["runs"]] == ["backup"]
    assert document["verdict"]["healthy"] is False


def test_problem_without_an_incident_is_displayed(cli, stage):
    """A healthy worker alone has nothing to say; a failure that no one told of yet has."""
    lines = [line.text for line in format_overview(frame(stage), stage.now)]
    assert lines[0].startswith("✓ Healthy")
    assert not any("Incidents" in line for line in lines)


def test_process_states_what_it_holds(busy):
    """As its last beat told it; of one that never beats nothing is said but since when it lives."""
    found = frame(busy)
    (worker,) = found.workers

    def render_workers(**changed):
        displayed = replace(found, workers=[replace(worker, **changed)])
        return next(line.text for line in format_overview(displayed, worker.opened_at + 60_000) if " pid " in line.text)

    assert render_workers(beat_at=worker.opened_at).endswith("alive, 1 run, since 1m ago")
    beaten = render_workers(memory=84 * 1024**2, beat_at=worker.opened_at + 50_000)
    assert beaten.endswith("alive, 1 run, 84 MiB, heartbeat 10s ago")


@pytest.mark.parametrize("number", [0, 1, 12])
def test_problems_without_an_incident_are_displayed_once(stage, number):
    """However many incidents are open, what none of them says stands below the verdict, and they do not."""
    for index in range(number):
        subject = Subject(f"a{index}", IncidentKind.SILENCE)
        finding = Finding(subject=subject, severity=Severity.PAGE, text="silent", since_at=0)
        stage.do(RecordEvaluation(started_at=stage.now, found=(EvaluatedFinding(id=f"i_{index}", finding=finding),)))
    stage.do(fail(stage.begin()))
    lines = [line.text for line in format_overview(frame(stage), stage.now)]
    assert lines[2] == "  1 failed run still needs a decision: mainspring failed list"
    assert sum("silent" in line for line in lines) == number


@pytest.mark.parametrize("height", [5, 12, 20, 30])
def test_frame_fits_its_screen(stage, height):
    """Every part keeps a line as long as there is room, and says how many more there are."""
    for number in range(30):
        subject = Subject(f"a{number}", IncidentKind.SILENCE)
        finding = Finding(subject=subject, severity=Severity.PAGE, text="silent", since_at=0)
        stage.do(RecordEvaluation(started_at=stage.now, found=(EvaluatedFinding(id=f"i_{number}", finding=finding),)))
    lines = [line.text for line in format_overview(frame(stage), stage.now, height)]
    assert len(lines) <= height
    if height >= 20:
        assert any(re.match(r"Incidents \(30, \d+ more\)", line) for line in lines)
        assert any(line.startswith("Next (1)") for line in lines)


def test_failed_runs_are_displayed(stage):
    """Newest first, with why; one that succeeded is not."""
    first, other, good = (stage.begin() for _ in range(3))
    for command in (fail(first), halt(other, "pay"), finish(good)):
        stage.do(command)
    lines = [
        line for line in format_overview(frame(stage), stage.now) if line.to is not None and line.to.run is not None
    ]
    assert [line.to.run for line in lines] == [other.id, first.id]
    assert "backup: in doubt" in lines[0].text
    assert "backup: permanent error" in lines[1].text


def test_place_displays_incidents_and_last_failures_of_its_automation(stage):
    """What was chosen first: the error of a run, the whole text of an incident; then what else is wrong there, and nothing of others."""
    run, other = stage.begin(), stage.begin(ORDER, b'{"customer": "a"}')
    stage.do(fail(run))
    stage.do(fail(other))
    for name, kind in (
        ("backup", IncidentKind.SILENCE),
        ("backup", IncidentKind.TOO_SLOW),
        ("order", IncidentKind.SILENCE),
    ):
        finding = Finding(
            subject=Subject(name, kind), severity=Severity.PAGE, text=f"{kind} it is", since_at=0, hint="look"
        )
        stage.do(
            RecordEvaluation(started_at=stage.now, found=(EvaluatedFinding(id=f"i_{name}_{kind}", finding=finding),))
        )

    def text(place):
        return "\n".join(
            line.text for line in read_detail(stage.store.reader, place, stage.now, ViewUnsealer(PLAIN_SEALING))
        )

    of_run = text(ScreenTarget("backup", run=run.id))
    for part in ("backup", "✗ failed (permanent error)", "ValueError: it broke", f"explain {run.id}", "Incidents (2)"):
        assert part in of_run, part
    of_incident = text(ScreenTarget("backup", incident="i_backup_silence"))
    for part in (
        "[page] open since",
        "silence it is",
        "Do: look",
        "Incidents (1)",
        "too_slow it is",
        "Last failures (1)",
    ):
        assert part in of_incident, part
    for screen_text in (of_run, of_incident, text(ScreenTarget("backup"))):
        assert other.id not in screen_text
        assert "i_order" not in screen_text
    assert "no longer stored" in text(ScreenTarget("backup", incident="i_gone"))
    assert "it has no failure" in text(ScreenTarget("report"))


class Screen60x15:
    """`mainspring top` on a terminal of 60 columns and 15 lines."""

    def __init__(self):
        self.own_end, terminal_end = pty.openpty()
        self.before = termios.tcgetattr(self.own_end)
        self.printed = ""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "mainspring", "top"],
            stdin=terminal_end, stdout=terminal_end, stderr=terminal_end, start_new_session=True,
            env={**os.environ, "TERM": "xterm", "LINES": "15", "COLUMNS": "60"},
        )  # fmt: skip
        os.close(terminal_end)

    def until(self, part):
        """Read until it is drawn; return all that was drawn since the last time."""
        until = time.monotonic() + 60
        while part not in self.printed:
            assert time.monotonic() < until, (part, self.printed[-3000:])
            if select.select([self.own_end], [], [], 0.5)[0]:
                self.printed += os.read(self.own_end, 65_536).decode(errors="replace")
        found, self.printed = self.printed, ""
        return found

    def send_keys(self, keys):
        os.write(self.own_end, keys)

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.own_end)


@pytest.fixture
def terminal(busy, folder):
    made = Screen60x15()
    yield made
    made.close()


def test_terminal_is_rendered_until_ctrl_c_ends_it(terminal):
    """With 0, and the terminal is as it was."""
    assert "Incidents" in terminal.until("q ends")
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.process.wait(20) == 0
    assert termios.tcgetattr(terminal.own_end) == terminal.before


def test_keys_lead_to_an_incident_and_back(terminal):
    """Arrows and letters choose, enter opens, esc goes back, ? shows the keys, q ends with 0; no line is wider than the screen."""
    output = terminal.until("q ends")
    terminal.send_keys(b"\x1b[B\r")
    output += terminal.until("show i_1")
    terminal.send_keys(b"\x1b")
    output += terminal.until("Processes")
    terminal.send_keys(b"j\r")
    output += terminal.until("show i_0")
    terminal.send_keys(b"h?")
    output += terminal.until("these keys")
    terminal.send_keys(b"kq")
    assert terminal.process.wait(20) == 0
    assert termios.tcgetattr(terminal.own_end) == terminal.before
    assert max(len(re.sub("\x1b[^a-zA-Z]*[a-zA-Z]", "", line)) for line in re.split(r"[\r\n]+|\x1b\[H", output)) <= 60
