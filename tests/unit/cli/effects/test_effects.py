"""`mainspring effects`: what the ledger has, and what a person decides."""

import pytest

from mainspring.domain.effects.effect import CallOutcome, EffectCall, EffectHolder, Recovery
from mainspring.domain.effects.identity import hash_identity
from mainspring.store.commands.effects import BeginEffect, SettleEffect

IDENTITY = b'["a","b"]'


def begin(stage, key, *, run=None, recovery=Recovery.PERSON, within_ms=None, identity=IDENTITY):
    """Ask for an effect, as a program or as a step of a run; return the answer."""
    holder = EffectHolder("bill.py of ann@box (pid 7)", f"call {key}")
    if run is not None:
        holder = EffectHolder(f"{run}/order", f"call {key}", "order", run, "order#1", "key", 1)
    call = EffectCall(key, holder, hash_identity(identity), identity, within_ms, recovery)
    return stage.do(BeginEffect(call, f"e_{key}"))


def settle(stage, key, outcome, **more):
    stage.do(SettleEffect(key, 1, outcome, **more))


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
    doubt = cli("effects", "show", "alert/disk full")
    assert "sh ended with exit code 3" in doubt.out
    assert "attempt 1" in doubt.out
    assert "$ mainspring effects confirm 'alert/disk full'" in doubt.out
    pending = cli("effects", "show", "ticket")
    assert "bill.py of ann@box (pid 7) performs it now" in pending.out
    assert "effects forget" not in pending.out
    assert "asks the target" in cli("effects", "show", "invoice:2").out


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
    for key, outcome in (("sent", CallOutcome.DONE), ("lost", CallOutcome.UNKNOWN), ("busy", None)):
        begin(stage, key, run=run)
        if outcome is not None:
            settle(stage, key, outcome)
    cli("effects", "confirm", "lost")
    rows = cli("runs", "show", run, "--json").json["effects"]
    assert [(row["key"], row["outcome"], row["state"]) for row in rows] == [
        ("sent", "done", "done"),
        ("lost", "unknown", "done"),
        ("busy", "pending", "pending"),
    ]
    out = cli("runs", "show", run).out
    assert "    lost  unknown     order#1 attempt 1, now done\n" in out
    assert "effects" not in cli("runs", "show", stage.start()).out
