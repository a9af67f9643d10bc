"""`mainspring effects`: what the ledger has, and what a person decides."""

import fcntl
import shlex

import pytest

from mainspring.domain.effects.effect import CallOutcome, EffectCall, EffectHolder, Recovery
from mainspring.domain.effects.identity import hash_identity
from mainspring.domain.incidents.incident import Finding, IncidentKind, Severity, Subject
from mainspring.domain.states import FailureReason, OutcomeState
from mainspring.store.commands.effects import BeginEffect, SettleEffect
from mainspring.store.commands.incidents import EvaluatedFinding, RecordEvaluation
from tests.contract.store.process import halt, outcome

IDENTITY = b'["a","b"]'


def begin(stage, key, *, run=None, recovery=Recovery.PERSON, within_ms=None, identity=IDENTITY):
    """Ask for an effect, as a program or as a step of a run; return the answer."""
    holder = EffectHolder("bill.py of ann@box (pid 7)", f"call {key}")
    if run is not None:
        holder = EffectHolder(f"{run}/order", f"call {key} of {run}", "order", run, "order#1", "key", 1)
    call = EffectCall(key, holder, hash_identity(identity), identity, within_ms, recovery)
    return stage.do(BeginEffect(call, f"e_{key}"))


def settle(stage, key, outcome, **more):
    stage.do(SettleEffect(key, f"e_{key}", 1, outcome, **more))


@pytest.fixture
def ledger(stage):
    """One effect in each state; `invoice:1` is done and was skipped once."""
    begin(stage, "invoice:1", within_ms=3_600_000)
    settle(stage, "invoice:1", CallOutcome.DONE, result=b'{"id": 7}')
    begin(stage, "invoice:1", within_ms=3_600_000)
    begin(stage, "invoice:2", recovery=Recovery.CHECK)
    settle(stage, "invoice:2", CallOutcome.UNKNOWN, note="TimeoutError: slow")
    begin(stage, "alert/disk full", run=stage.begin().id)
    settle(stage, "alert/disk full", CallOutcome.UNKNOWN, note="sh ended with exit code 3")
    begin(stage, "ticket")
    return stage


def test_list_has_a_line_for_each_key(cli, ledger):
    """Filters by state, text and time; both forms have the same rows."""
    rows = {row["key"]: row for row in cli("effects", "list", "--json").json}
    assert {key: row["state"] for key, row in rows.items()} == {
        "invoice:1": "done",
        "invoice:2": "unknown",
        "alert/disk full": "in_doubt",
        "ticket": "pending",
    }
    assert rows["invoice:1"]["skips"] == 1
    assert rows["alert/disk full"]["ident"] == "order#1"
    lines = cli("effects", "list").out.splitlines()
    assert lines[0].split() == ["KEY", "STATE", "WHEN", "BY", "SKIPS"]
    assert len(lines) == 5
    for options, expected in (
        (("--state", "done", "--state", "in_doubt"), {"invoice:1", "alert/disk full"}),
        (("--name", "invoice:"), {"invoice:1", "invoice:2"}),
        (("--name", "disk"), {"alert/disk full"}),
        (("--since", "1h"), set(rows)),
        (("--since", "2100-01-01"), set()),
    ):
        assert {row["key"] for row in cli("effects", "list", *options, "--json").json} == expected, options
    first = cli("effects", "list", "--limit", "1")
    assert len(first.out.splitlines()) == 2
    assert "--limit" in first.err


def test_show_has_all_facts_and_what_can_be_done(cli, ledger):
    """Values are opened; the calls of steps are listed."""
    done = cli("effects", "show", "invoice:1", "--json").json
    assert (done["identity"], done["result"], done["within_ms"]) == (["a", "b"], {"id": 7}, 3_600_000)
    assert done["window_ends_at"] > done["settled_at"]
    assert [line["command"] for line in done["can"]] == ["mainspring effects forget invoice:1"]
    assert "a second time" in done["can"][0]["does"]
    assert done["next"] == "The next call is skipped and gets the result on record."
    doubt = cli("effects", "show", "alert/disk full")
    assert "sh ended with exit code 3" in doubt.out
    assert "attempt 1" in doubt.out
    assert "$ mainspring effects confirm 'alert/disk full'" in doubt.out
    pending = cli("effects", "show", "ticket")
    assert "bill.py of ann@box (pid 7) performs it now" in pending.out
    assert "effects forget" not in pending.out
    assert "asks the target" in cli("effects", "show", "invoice:2").out


def test_effect_of_a_dead_holder_is_not_performed_now(cli, ledger):
    """Its session is dead as soon as its lock is free, though it is alive on record. A person may decide at once."""
    fcntl.flock(ledger.store.lock.descriptor, fcntl.LOCK_UN)
    rows = {row["key"]: row for row in cli("effects", "list", "--json").json}
    assert [(rows[key]["state"], rows[key]["is_held"]) for key in ("ticket", "invoice:1")] == [
        ("pending", False),
        ("done", False),
    ]
    assert "pending, holder gone" in cli("effects", "list").out
    output = cli("effects", "show", "ticket")
    assert "bill.py of ann@box (pid 7) has ended without an outcome" in output.out
    assert "next  Its holder has ended: the next call decides" in output.out
    assert "$ mainspring effects confirm ticket" in output.out
    assert "is done" in cli("effects", "confirm", "ticket").out
    assert cli("effects", "show", "ticket", "--json").json["state"] == "done"


def test_calls_are_listed_in_the_order_of_their_time(cli, stage):
    """A call with another identity is skipped like each other one."""
    first, second = stage.begin().id, stage.begin().id
    begin(stage, "alert", run=first, within_ms=3_600_000)
    settle(stage, "alert", CallOutcome.DONE)
    begin(stage, "alert", run=second, within_ms=3_600_000, identity=b'["other"]')
    lines = [line for line in cli("effects", "show", "alert").out.splitlines() if "attempt 1" in line and "r_" in line]
    calls = [line for line in lines if not line.lstrip().startswith("run")]
    assert [first in calls[0], second in calls[1]] == [True, True]
    assert "done" in calls[0]
    assert "skipped, with another identity" in calls[1]


def test_mistyped_key_names_the_nearest(cli, ledger):
    """Each command that takes a key does."""
    for words in (("show",), ("forget", "-y"), ("confirm",)):
        result = cli("effects", words[0], "invoise:1", *words[1:])
        assert result.code == 3
        assert "'invoice:1'" in result.err


def test_confirmed_effect_is_done_with_its_result(cli, ledger):
    """The decision is audited with its reason; a known outcome is not to be decided."""
    result = cli("effects", "confirm", "alert/disk full", "--result", '{"n": 1}', "--reason", "it is there", "--json")
    assert result.json == {"key": "alert/disk full", "state": "done"}
    effect = cli("effects", "show", "alert/disk full", "--json").json
    assert (effect["state"], effect["result"], effect["note"]) == ("done", {"n": 1}, "it is there")
    assert effect["decided_by"].startswith("cli:")
    row = cli("audit-log", "list", "--act", "confirm", "--json").json[0]
    assert (row["subject"], row["reason"]) == ("effect:alert/disk full", "it is there")
    assert cli("effects", "confirm", "alert/disk full").code == 8
    cli("effects", "confirm", "invoice:2")
    assert "no result is on record" in cli("effects", "show", "invoice:2").out
    assert cli("effects", "confirm", "invoice:2", "--result", "{").code == 2


def test_forgotten_effect_may_happen_again(cli, ledger):
    """It needs a yes, and no live holder."""
    assert cli("effects", "forget", "invoice:1").code == 2
    assert "is forgotten" in cli("effects", "forget", "invoice:1", "-y", "--reason", "sent to the wrong one").out
    assert cli("effects", "show", "invoice:1").code == 3
    assert begin(ledger, "invoice:1").intent == 1
    held = cli("effects", "forget", "ticket", "-y")
    assert held.code == 8
    assert "effects show KEY" in held.err


def test_key_of_any_characters_is_one_word(cli, stage):
    """Hints can be pasted; a line stays a line."""
    key = "a'b; rm -rf * \u00e9"
    begin(stage, key)
    settle(stage, key, CallOutcome.UNKNOWN)
    command = cli("effects", "show", key, "--json").json["can"][0]["command"]
    assert command == "mainspring effects confirm 'a'\"'\"'b; rm -rf * \u00e9'"


def test_run_lists_the_effects_of_its_steps(cli, stage):
    """Each call with its outcome; one that never got an outcome has the state of its effect."""
    run = stage.begin().id
    for key, end in (("sent", CallOutcome.DONE), ("lost", CallOutcome.UNKNOWN), ("busy", None)):
        begin(stage, key, run=run)
        if end is not None:
            settle(stage, key, end)
    cli("effects", "confirm", "lost")
    rows = cli("runs", "show", run, "--json").json["effects"]
    assert sorted((row["key"], row["outcome"], row["state"]) for row in rows) == [
        ("busy", "pending", "pending"),
        ("lost", "unknown", "done"),
        ("sent", "done", "done"),
    ]
    out = cli("runs", "show", run).out
    assert "    lost  unknown     order#1 attempt 1, now done\n" in out
    assert "effects" not in cli("runs", "show", stage.start()).out


def test_status_and_doctor_name_effects_in_doubt(cli, stage):
    """Each counts once: that of a run which needs attention is the run's own matter."""
    assert cli("status").code == 0
    halted = stage.begin()
    begin(stage, "of the run", run=halted.id)
    settle(stage, "of the run", CallOutcome.UNKNOWN)
    stage.do(halt(halted, "in doubt"))
    begin(stage, "invoice:2", recovery=Recovery.CHECK)
    settle(stage, "invoice:2", CallOutcome.UNKNOWN)
    assert "in doubt: mainspring effects" not in cli("status").out
    for key in ("a", "b"):
        begin(stage, key)
        settle(stage, key, CallOutcome.UNKNOWN)
    result = cli("status")
    assert result.code == 9
    assert "  2 effects are in doubt: mainspring effects list --state in_doubt\n" in result.out
    assert cli("status", "--json").json["effects_in_doubt"] == 2
    check = next(check for check in cli("doctor", "--json").json if check["name"] == "effects")
    assert check["state"] == "problem"
    assert check["text"] == "2 effects are in doubt"
    cli("effects", "confirm", "a")
    cli("effects", "forget", "b", "-y")
    assert cli("status", "--json").json["effects_in_doubt"] == 0


def test_acknowledged_incident_does_not_hide_a_doubt(cli, stage):
    """As with failed runs: while a person has to decide, the project is not healthy. An open incident counts it once."""
    begin(stage, "a")
    settle(stage, "a", CallOutcome.UNKNOWN)
    finding = Finding(
        subject=Subject("", IncidentKind.EFFECT_IN_DOUBT), severity=Severity.NOTIFY, text="a", since_at=stage.now
    )
    stage.do(RecordEvaluation(started_at=stage.now, found=(EvaluatedFinding(id="i_1", finding=finding),)))
    assert cli("status", "--json").json["count"] == 1
    assert "1 effect is in doubt" in cli("status").out
    cli("incidents", "ack", "i_1")
    result = cli("status", "--json")
    assert (result.code, result.json["count"]) == (9, 1)


def test_run_that_a_doubt_of_another_run_blocks_names_that_run(cli, stage):
    """`explain` lists what settles the effect; the step runs again after the decision, and not before."""
    holder, other = stage.begin(), stage.begin()
    for run in (holder, other):
        begin(stage, "bill:8", run=run.id)
        settle(stage, "bill:8", CallOutcome.UNKNOWN, note="TimeoutError: slow")
        stage.do(outcome(run, 1, "order#1", state=OutcomeState.IN_DOUBT, output=None))
        stage.do(halt(run, "order#1", FailureReason.IN_DOUBT, rank=1))
    found = cli("explain", other.id, "--json").json
    assert f"effect bill:8 of {holder.id}/order may or may not have happened" in found["why"][0]
    again = f"mainspring runs retry {other.id} --again 'order#1'"
    assert [line["command"] for line in found["can"]][:5] == [
        f"mainspring explain {holder.id}",
        "mainspring effects confirm bill:8",
        "mainspring effects forget bill:8",
        again,
        f"mainspring runs give-result {other.id} JSON --step 'order#1'",
    ]
    refused = cli(*shlex.split(again)[1:])
    assert refused.code == 8
    assert f"effect 'bill:8' of {holder.id}/order may or may not have happened" in refused.err
    assert "mainspring effects confirm KEY" in refused.err
    assert "blocked" in cli("effects", "show", "bill:8").out
    own = [line["command"] for line in cli("explain", holder.id, "--json").json["can"]]
    assert own[1] == f"mainspring runs retry {holder.id} --again 'order#1'"
    assert cli(*shlex.split(own[1])[1:]).code == 0
    assert cli("explain", other.id, "--json").json["can"][1]["command"] == again
    assert cli(*shlex.split(again)[1:]).code == 0
