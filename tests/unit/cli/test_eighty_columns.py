"""Lists on a terminal of 80 columns: state, severity and age whole, ids short and accepted, whatever the names."""

import contextlib
import fcntl
import os
import pty
import re
import struct
import termios
import threading

import pytest
from msgspec.structs import replace

from mainspring.domain.definitions.definition import Definition, DefinitionKind
from mainspring.domain.errors import ConflictError
from mainspring.domain.failures.failure import Failure
from mainspring.domain.ids import make_id
from mainspring.domain.incidents.incident import Finding, IncidentKind, Severity, Subject
from mainspring.domain.notifications.routing import NotificationTarget
from mainspring.domain.states import FailureReason, OutcomeState, RunState
from mainspring.insight.text.text_width import measure_width
from mainspring.store.commands.incidents import EvaluatedFinding, RecordEvaluation
from mainspring.store.read.runs.run_views import resolve_id
from tests import warm_command_line
from tests.contract.store.process import finish, outcome
from tests.unit.cli.conftest import BACKUP

NAMES = {
    "long": "nightly-" + "very-" * 30 + "long-name",
    "wide": "夜間バックアップ処理" * 8,
    "hostile": "\x1b[31mred\x1b[0m\u202e\u200b <b>{0}%s</b> " + "x" * 80,
}
INCIDENT = make_id("i", 1_000, 77)


@pytest.fixture(params=list(NAMES.values()), ids=list(NAMES))
def victim(stage, request):
    """A run of a name that takes too much room, failed with as much text, and its incident, acknowledged-long states included."""
    definition = Definition(
        kind=DefinitionKind.SCRIPT, name=request.param, options={"owner": "ann"}, command=["./x.sh"]
    )
    stage.announce(definition)
    run = stage.begin(definition)
    failure = Failure("HTTPError", "http", "403 AccessDenied 拒否されました " * 20)
    stage.do(finish(run, RunState.FAILED, failure=failure, reason=FailureReason.RETRIES_EXHAUSTED, failed_ident="up"))
    text = "no success for 26h " + request.param
    subject = Subject(request.param, IncidentKind.RETRIES_EXHAUSTED)
    finding = Finding(subject=subject, severity=Severity.NOTIFY, text=text, since_at=stage.now - 7_140_000)
    found = EvaluatedFinding(id=INCIDENT, finding=finding, to=(NotificationTarget(0, "ops"),))
    stage.do(RecordEvaluation(started_at=stage.now, found=(found,)))
    halted = stage.begin(definition)
    stage.do(finish(halted, RunState.CANCELLED))
    return run.id


def on_terminal(*args: str, columns: int = 80) -> list[str]:
    """Return what a command draws on a terminal of so many columns, line by line, without its colours."""
    own_end, terminal_end = pty.openpty()
    fcntl.ioctl(terminal_end, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    env = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
    printed = bytearray()

    def read() -> None:
        with contextlib.suppress(OSError):  # the other end is closed
            while part := os.read(own_end, 65_536):
                printed.extend(part)

    reader = threading.Thread(target=read)
    reader.start()
    code = warm_command_line.draw(args, terminal_end, cwd=os.getcwd(), env=env | {"TERM": "xterm"}, timeout=60)
    os.close(terminal_end)
    reader.join()
    os.close(own_end)
    assert code in (0, 9), printed
    return re.sub(r"\x1b\[[0-9;]*m", "", printed.decode()).splitlines()


LISTS = {
    ("runs", "list"): ("✗ failed", "– cancelled"),
    ("failed", "list"): ("✗ failed", "now|[sm] ago"),
    ("failed", "list", "--by", "error"): ("[sm] ago|now",),
    ("incidents", "list"): ("open", "notify", "(1h59m|2h) ago"),
    ("auto", "list"): ("on demand|learning|problem|never",),
    ("notify", "log"): ("unsent",),
    ("workers", "list"): ("alive",),
    ("queues", "list"): ("default",),
    ("audit-log", "list"): ("[sm] ago|now",),
    ("monitors", "list"): ("on",),
}


def require_fitting(args: tuple[str, ...]) -> None:
    """Fail if a line of the list is wider than the terminal, or if what a person looks for first is not whole."""
    lines = [line for line in on_terminal(*args) if not line.startswith("Columns left out: ")]
    assert len(lines) > 1
    assert {line: measure_width(line) for line in lines if measure_width(line) > 80} == {}
    for words in LISTS[args]:
        assert re.search(words, "\n".join(lines)), (words, lines)


@pytest.mark.parametrize("victim", [NAMES["wide"]], ids=["wide"], indirect=True)
@pytest.mark.parametrize("args", list(LISTS), ids=" ".join)
def test_state_severity_and_age_are_never_cut(victim, args):
    """No line is wider than the terminal, and what a person looks for first is whole."""
    require_fitting(args)


@pytest.mark.parametrize("victim", [NAMES["long"], NAMES["hostile"]], ids=["long", "hostile"], indirect=True)
@pytest.mark.parametrize("args", [("runs", "list"), ("incidents", "list")], ids=" ".join)
def test_long_or_hostile_names_take_no_width_from_the_rest(victim, args):
    """However long they are, and whatever they would do to a terminal."""
    require_fitting(args)


@pytest.mark.parametrize("victim", [NAMES["long"]], ids=["long"], indirect=True)
def test_omitted_rows_are_counted(victim):
    """A wide terminal has all of it."""
    narrow, wide = on_terminal("workers", "list"), on_terminal("workers", "list", columns=400)
    assert "Columns left out: " in narrow[-1]
    assert "TAGS" in wide[0]
    assert not any(line.startswith("Columns left out: ") for line in wide)


@pytest.mark.parametrize("victim", [NAMES["long"]], ids=["long"], indirect=True)
def test_displayed_ids_are_accepted(cli, stage, victim):
    """By every command that takes one."""
    run = on_terminal("failed", "list")[1].split()[0]
    assert (len(run), victim.endswith(run)) == (6, True)
    assert cli("runs", "show", run, "--json").json["id"] == victim
    assert cli("explain", run, "--json").json["run"] == victim
    incident = on_terminal("incidents", "list")[1].split()[0]
    assert INCIDENT.endswith(incident)
    assert cli("incidents", "show", incident, "--json").json["id"] == INCIDENT
    assert cli("incidents", "ack", incident, "--json").json["id"] == INCIDENT
    assert cli("runs", "retry", run).code == 0


def test_ambiguous_tail_lists_the_candidates(stage):
    """Both whole ids stand in the hint."""
    first, second = (stage.start() for _ in range(2))
    with pytest.raises(ConflictError, match="could be more than one run") as caught:
        resolve_id(stage.store.reader, "r_0")
    assert first in str(caught.value)
    assert second in str(caught.value)


def test_run_page_fits_the_terminal(stage, victim):
    """Its head, with the state whole; the whole id stands once below it."""
    lines = on_terminal("runs", "show", victim)
    assert measure_width(lines[0]) <= 80
    assert lines[0].endswith(f"{victim[-6:]}  ✗ failed")
    assert any(line.split() == ["id", victim] for line in lines)


def test_long_names_of_steps_are_whole(cli, stage):
    """Tools of agents have such names: each is above its bar, in lines that fit, and a group of calls too."""
    agent, tool = "support__mcp_server__orders__call_tool.find_the_newest_order", "クエリ" * 20
    run = stage.begin(BACKUP)
    for rank in range(1, 33):
        name = {1: "plan", 2: agent, 3: tool}.get(rank, f"{agent}_{tool}")
        stage.do(outcome(run, rank, f"{name}#{max(rank - 3, 1)}", name=name))
    stage.do(finish(run, rank=32))
    lines = on_terminal("runs", "show", run.id)
    assert all(measure_width(line) <= 80 for line in lines)
    place = lines.index(f"  ✓ {agent}")
    assert lines[place - 1].startswith("  ✓ plan  ")
    assert lines[place + 1].startswith("          ")
    joined = "".join(line.strip(" ✓") for line in lines)
    assert tool in joined
    assert f"{agent}_{tool}x 29: 29 ok" in joined


def test_fan_out_is_grouped_and_all_of_it_is_to_be_had(cli, stage):
    """365 calls are one line, and those that failed below it; --all shows each."""
    run = stage.begin(BACKUP)
    for rank in range(1, 366):
        state = OutcomeState.FAILED if rank in (5, 50, 300) else OutcomeState.SUCCEEDED
        failure = Failure("ValueError", "value", f"bad row {rank}") if state is OutcomeState.FAILED else None
        saved = outcome(run, rank, f"clean_file#{rank}", state=state, at=121, duration_us=120_000, failure=failure)
        stage.do(replace(saved, name="clean_file"))
    stage.do(finish(run, rank=365))
    result = cli("runs", "show", run.id)
    assert "  clean_file x 365: 362 ok, 3 failed, p95 120ms\n" in result.out
    assert [f"bad row {rank}" in result.out for rank in (5, 50, 300)] == [True] * 3
    assert result.out.count("clean_file") == 4
    assert "--all" in result.err
    assert cli("runs", "show", run.id, "--all").out.count("clean_file") == 365
