"""`mainspring top`: one frame without a terminal, frames on one until q."""

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

from mainspring.cli.top_frame import lines_of, look
from mainspring.cli.verdict import judge
from mainspring.domain.incident import Finding, IncidentKind, Severity, Subject
from mainspring.store.commands.incidents import Found, Observe
from tests.contract.store.process import fail


@pytest.fixture
def busy(stage):
    """Two incidents and a run that runs."""
    for number, severity in enumerate((Severity.NOTIFY, Severity.PAGE)):
        subject = Subject(f"a{number}", IncidentKind.SILENCE)
        finding = Finding(subject=subject, severity=severity, text="no \x1b[31msuccess", since_at=stage.now - 60_000)
        stage.do(Observe(looked_at=stage.now, found=(Found(id=f"i_{number}", finding=finding),)))
    stage.begin()
    return stage


def frame(stage):
    reader = stage.store.reader
    return look(reader, judge(reader, stage.now, store="here", environment="production"))


def test_without_a_terminal_it_is_said_once(cli, busy):
    """All parts, the loudest incident first, harmless to a terminal."""
    said = cli("top")
    assert said.code == 0
    assert said.out.startswith("✗ 2 things need you: 2 open incidents (1 page, 1 notify")
    assert said.out.index("page    1m ago") < said.out.index("notify  1m ago")
    for part in ("Incidents (2)", "Running (1)", "Queues (1)", "Processes (1)", "Next (1)", "worker      pid "):
        assert part in said.out, part
    assert "\x1b" not in said.out


def test_json_has_all_of_it(cli, busy):
    """One document."""
    document = cli("top", "--json").json
    assert [one["id"] for one in document["incidents"]] == ["i_1", "i_0"]
    assert [one["automation"] for one in document["runs"]] == ["backup"]
    assert document["verdict"]["healthy"] is False


def test_nothing_has_run_yet(cli, store_path):
    """No store is made by looking."""
    assert "Nothing has run yet" in cli("top").out
    assert not store_path.exists()


def test_what_no_incident_says_is_said(cli, stage):
    """A healthy worker alone has nothing to say; a failure that nobody told of yet has."""
    lines = [text for text, _ in lines_of(frame(stage), stage.now)]
    assert lines[0].startswith("✓ All is well")
    assert not any("Incidents" in line for line in lines)


@pytest.mark.parametrize("number", [0, 1, 12])
def test_what_is_beside_incidents_is_said_once(stage, number):
    """However many incidents are open, what none of them says stands below the verdict, and they do not."""
    for one in range(number):
        subject = Subject(f"a{one}", IncidentKind.SILENCE)
        finding = Finding(subject=subject, severity=Severity.PAGE, text="silent", since_at=0)
        stage.do(Observe(looked_at=stage.now, found=(Found(id=f"i_{one}", finding=finding),)))
    stage.do(fail(stage.begin()))
    lines = [text for text, _ in lines_of(frame(stage), stage.now)]
    assert lines[2] == "  1 run failed within a day. See: mainspring failed list --since 24h"
    assert sum("silent" in line for line in lines) == number


@pytest.mark.parametrize("height", [5, 12, 20, 30])
def test_frame_fits_its_screen(stage, height):
    """Every part keeps a line as long as there is room, and says how many more there are."""
    for number in range(30):
        subject = Subject(f"a{number}", IncidentKind.SILENCE)
        finding = Finding(subject=subject, severity=Severity.PAGE, text="silent", since_at=0)
        stage.do(Observe(looked_at=stage.now, found=(Found(id=f"i_{number}", finding=finding),)))
    lines = [text for text, _ in lines_of(frame(stage), stage.now, height)]
    assert len(lines) <= height
    if height >= 20:
        assert any(re.match(r"Incidents \(30, \d+ more\)", line) for line in lines)
        assert any(line.startswith("Next (1)") for line in lines)


@pytest.mark.parametrize("key", [b"q", None], ids=["q", "Ctrl-C"])
def test_terminal_is_drawn_until_a_key_ends_it(busy, key, folder):
    """q and Ctrl-C end it with 0, and the terminal is as it was."""
    ours, theirs = pty.openpty()
    before = termios.tcgetattr(ours)
    env = {**os.environ, "TERM": "xterm", "LINES": "24", "COLUMNS": "100"}
    process = subprocess.Popen(
        [sys.executable, "-m", "mainspring", "top"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=env,
        start_new_session=True,
    )
    os.close(theirs)
    said, until = b"", time.monotonic() + 20
    try:
        while b"q ends" not in said and time.monotonic() < until:
            if select.select([ours], [], [], 0.5)[0]:
                said += os.read(ours, 65_536)
        assert b"Incidents" in said
        if key is None:
            process.send_signal(signal.SIGINT)
        else:
            os.write(ours, key)
        assert process.wait(20) == 0
        assert termios.tcgetattr(ours) == before
    finally:
        process.kill()
        process.wait()
        os.close(ours)
