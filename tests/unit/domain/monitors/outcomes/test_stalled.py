"""Steps that nothing ends and that give no sign of life."""

import pytest

from mainspring.domain.incidents.incident import IncidentKind, Severity
from mainspring.domain.monitors.inputs import MonitorInputs
from mainspring.domain.processes.stall import Stall
from tests.unit.domain.monitors.monitor_inputs import DAY, HOUR, MINUTE, T0, evaluate, found, watched

STALLED = IncidentKind.STALLED
STACK = (
    "/opt/src/mainspring/engine/attempts/loop_attempt.py:40 LoopAttempt._drive",
    "/srv/shop.py:7 charge",
    "/usr/lib/python3.13/socket.py:719 SocketIO.readinto",
)


def stall(run: str = "r_1", step: str = "charge", since_at: int = T0, stack: tuple[str, ...] = STACK) -> Stall:
    return Stall(run, f"{step}#1", step, 2, since_at, stack)


def test_attempt_on_record_is_wrong_at_once() -> None:
    """As loud as its automation, with where it stands, since when, and what to do."""
    automation = watched(stalls=(stall(),), tier=Severity.PAGE)
    (finding,) = found(STALLED, automation, T0 + HOUR)
    assert finding.text == "step charge has reported no log, progress or checkpoint for 1h: it is at shop.py charge"
    assert (finding.severity, finding.since_at, finding.subject.fingerprint) == (Severity.PAGE, T0, "charge")
    assert finding.facts["what"].startswith("attempt 2 of run r_1 is at /usr/lib/python3.13/socket.py:719 SocketIO")
    assert finding.hint is not None
    for act in ("runs show r_1", "runs cancel r_1", "timeout="):
        assert act in finding.hint


def test_no_finding_without_a_stall_or_while_paused() -> None:
    """It is healthy with the next sign."""
    assert evaluate(STALLED, watched(), T0 + DAY) == []
    assert found(STALLED, watched(stalls=(stall(),), retired_at=T0), T0 + DAY) == []


def test_each_step_is_one_thing_however_many_runs_hang_in_it() -> None:
    """Told by the one that is silent longest."""
    stalls = (stall("r_2", since_at=T0 + MINUTE), stall("r_1"), stall("r_1", "ship"))
    charge, ship = found(STALLED, watched(stalls=stalls), T0 + HOUR)
    assert (
        charge.text
        == "step charge has reported no log, progress or checkpoint for 1h, nor does 1 more: it is at shop.py charge"
    )
    assert (charge.facts["run"], charge.facts["runs"], charge.since_at) == ("r_1", ["r_1", "r_2"], T0)
    assert ship.subject.fingerprint == "ship"


@pytest.mark.parametrize(
    ("stack", "place", "cause"),
    [
        (("sh (pid 7): sleeping", " curl (pid 8): sleeping"), "curl (pid 8): sleeping", None),
        (STACK[2:], "/usr/lib/python3.13/socket.py:719 SocketIO.readinto", None),
        (STACK, "shop.py charge", "place:shop.py charge"),
    ],
)
def test_place_is_the_innermost_of_the_users_else_the_innermost(
    stack: tuple[str, ...], place: str, cause: str | None
) -> None:
    """Many that hang at one place of the user's code have one cause."""
    facts = MonitorInputs(automations=(watched(stalls=(stall(stack=stack),)),))
    (finding,) = found(STALLED, facts, T0 + HOUR)
    assert finding.text.endswith(f"it is at {place}")
    assert finding.cause == cause
