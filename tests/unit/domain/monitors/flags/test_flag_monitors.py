"""Findings about flags: past their date, without a decision, without questions, and questions that no flag answers."""

from datetime import timedelta

from mainspring.domain.flags.flag import Flag, FlagKind, FlagReason, FlagRules
from mainspring.domain.incidents.incident import IncidentKind, Severity
from mainspring.domain.monitors.flag_inputs import UnansweredFlag, WatchedFlag
from mainspring.domain.monitors.flags.flag_stale import FlagStaleTuning
from mainspring.domain.monitors.inputs import MonitorInputs
from mainspring.domain.monitors.registry import DEFAULT_TUNINGS, MONITORS, evaluate_monitor
from tests.unit.domain.monitors.monitor_inputs import DAY, HOUR, T0

EXPIRED, STALE, UNANSWERED = IncidentKind.FLAG_EXPIRED, IncidentKind.FLAG_STALE, IncidentKind.FLAG_UNANSWERED


def make_flag(name="new cart", share=1_000_000, **fields):
    options = {"owner": "shop", "created_at": T0, "changed_at": T0, **fields}
    return Flag(name, FlagKind.BOOLEAN, "true", "false", FlagRules(share=share), **options)


def find(kind, now_at, *flags, unanswered=(), tunings=DEFAULT_TUNINGS):
    """Return the findings of one monitor."""
    inputs = MonitorInputs(flags=flags, unanswered=unanswered)
    evaluations = evaluate_monitor(MONITORS[kind], inputs, tunings, now_at)
    return [evaluation.finding for evaluation in evaluations if evaluation.finding is not None]


def test_flag_past_its_date_is_a_finding():
    """From that instant on; it names the owner, who asks, and both ways out."""
    watched = WatchedFlag(make_flag(expires_at=T0 + DAY), T0, ("pay", ""))
    assert find(EXPIRED, T0 + DAY - 1, watched, WatchedFlag(make_flag("b"))) == []
    (finding,) = find(EXPIRED, T0 + DAY, watched)
    assert (
        finding.text
        == "flag new cart is past its expiry date (owner shop); a program, pay asked for it in the last 7 days"
    )
    assert "mainspring flags delete 'new cart'" in finding.hint
    assert "mainspring flags set 'new cart' --expires" in finding.hint
    assert (finding.severity, finding.since_at) == (Severity.NOTIFY, T0 + DAY)


def test_flag_with_one_side_for_all_keys_is_a_finding_after_30_days():
    """On or off or killed, unless it was changed since; a share that divides the keys is none."""
    now_at = T0 + 30 * DAY
    for flag, side in (
        (make_flag(), "on"),
        (make_flag(share=0), "off"),
        (make_flag(share=5, killed_at=T0), "off"),
    ):
        assert find(STALE, now_at - 1, WatchedFlag(flag, now_at)) == []
        (finding,) = find(STALE, now_at, WatchedFlag(flag, now_at, ("pay",)))
        assert finding.text == f"flag new cart has been {side} for all keys for 30d (owner shop)"
        assert f"Write the value of {side} into the code that asks for it: pay." in finding.hint
        assert (finding.severity, finding.since_at) == (Severity.DIGEST, now_at)
    assert find(STALE, now_at, WatchedFlag(make_flag(changed_at=T0 + 1), now_at)) == []
    assert find(STALE, now_at, WatchedFlag(make_flag(share=5), now_at)) == []


def test_flag_without_questions_is_a_finding_after_30_days():
    """Since its creation or its last question."""
    now_at = T0 + 30 * DAY
    flag = make_flag(share=5, owner=None)
    assert find(STALE, now_at - 1, WatchedFlag(flag)) == []
    (finding,) = find(STALE, now_at, WatchedFlag(flag))
    assert finding.text == "no code has asked for flag new cart for 30d (without an owner)"
    assert "mainspring flags delete 'new cart'" in finding.hint
    assert find(STALE, now_at, WatchedFlag(flag, T0 + HOUR)) == []
    assert len(find(STALE, now_at + HOUR, WatchedFlag(flag, T0 + HOUR))) == 1
    patient = {STALE: FlagStaleTuning(unused=timedelta(days=60))}
    assert find(STALE, now_at, WatchedFlag(flag), tunings=patient) == []


def test_question_that_no_flag_answers_is_a_finding():
    """An unknown name gets the nearest; another type names that of the flag."""
    unknown = UnansweredFlag("new crt", FlagReason.UNKNOWN, T0, T0 + 1, ("pay",), None, "new cart")
    (finding,) = find(UNANSWERED, T0 + 2, unanswered=(unknown,))
    assert finding.text == "pay asked for flag new crt and got the default of the code: there is no such flag"
    assert finding.hint.startswith("Did you mean 'new cart'?")
    assert finding.hint.endswith("mainspring flags set 'new crt'")
    assert (finding.severity, finding.since_at) == (Severity.NOTIFY, T0)
    other = UnansweredFlag("new cart", FlagReason.KIND_MISMATCH, T0, T0, ("pay", ""), make_flag())
    away = UnansweredFlag("new cart", FlagReason.STORE_UNREACHABLE, T0, T0 - 1, ("",), make_flag())
    (finding,) = find(UNANSWERED, T0, unanswered=(other, away))
    assert "a program, pay asked for flag new cart" in finding.text
    assert "the flag is of type boolean (owner shop), and the default in the code is not" in finding.text
    assert "mainspring flags show 'new cart'" in finding.hint
    (finding,) = find(UNANSWERED, T0, unanswered=(away,))
    assert "the store did not answer" in finding.text
    many = [UnansweredFlag(f"f{number}", FlagReason.UNKNOWN, T0, T0, ("a",)) for number in range(300)]
    assert len(find(UNANSWERED, T0, unanswered=many)) == 100
    names = (UnansweredFlag("x", FlagReason.UNKNOWN, T0, T0, tuple("abcdefg")),)
    assert "a, b, c, d, e and 2 more asked" in find(UNANSWERED, T0, unanswered=names)[0].text
