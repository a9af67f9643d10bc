"""`mainspring flags`: a flag is created, shared with more keys, killed, and deleted, on a real store."""

import pytest

from mainspring.domain.flags.flag import FlagQuestion, FlagReason, FlagSide
from mainspring.domain.flags.flag_use import FlagUse
from mainspring.domain.states import RunState
from mainspring.service.bulk_operation import run_next_piece
from mainspring.store.commands.flags import AnswerFlag, RecordFlagUses
from mainspring.store.read.status.status import audit_rows
from tests.contract.store.process import finish


def hold(stage, flag="checkout", key="ann"):
    """Begin a run that asks for a flag, and return it."""
    run = stage.begin()
    stage.do(AnswerFlag(run.id, 0, FlagQuestion(flag, key, "false")))
    return run


def test_flag_is_created_and_changed(cli, stage):
    """Only what is stated changes, and what changed is printed, old and new."""
    words = ("--share", "5%", "--allow", "ann", "--allow", "bob", "--when", "country=DE,AT", "--owner", "shop")
    created = cli("flags", "set", "checkout", *words, "--expires", "2999-03-01", "--about", "the new cart")
    assert (created.code, created.err) == (0, "")
    assert "is created" in created.out
    (flag,) = cli("flags", "list", "--json").json
    assert (flag["kind"], flag["value"], flag["otherwise"], flag["percent"]) == ("boolean", True, False, 5)
    assert flag["rule"] == "5 % of keys, 2 allowed, country=DE|AT"
    assert (flag["owner"], flag["when"], flag["state"]) == ("shop", {"country": ["DE", "AT"]}, "split")
    changed = cli("flags", "set", "checkout", "--share", "0.01%", "--allow", "eve", "--no-when", "--expires", "never")
    for line in (
        "share: 5 % -> 0.01 %",
        "allow: ann, bob -> eve",
        "when: country=DE|AT -> -",
        "expires: 2999-03-01 -> -",
    ):
        assert line in changed.out
    (flag,) = cli("flags", "list", "--json").json
    assert (flag["allow"], flag["when"], flag["expires_at"], flag["owner"]) == (["eve"], {}, None, "shop")
    cli("flags", "set", "checkout", "--no-allow", "--share", "100%")
    (flag,) = cli("flags", "list", "--state", "on", "--json").json
    assert (flag["rule"], flag["allow"]) == ("all keys", [])
    assert cli("flags", "list", "--state", "off", "--json").json == []


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("boolean", "false", False),
        ("string", "v2", "v2"),
        ("string", '"v2"', "v2"),
        ("string", "12", "12"),
        ("number", "1.5", 1.5),
        ("json", '{"limit": [1]}', {"limit": [1]}),
    ],
)
def test_value_is_read_by_the_type(cli, stage, kind, text, value):
    """Text of a string flag needs no quotes."""
    assert cli("flags", "set", "f", "--type", kind, "--value", text).code == 0
    assert cli("flags", "show", "f", "--json").json["flag"]["value"] == value


@pytest.mark.parametrize(
    ("words", "problem", "fix"),
    [
        (["set", "new", "--share", "250%"], "a share of 250 % is not possible", "from 0% to 100%"),
        (["set", "new", "--share", "5"], "'5' is not a share", "Write the percent sign: 5%"),
        (["set", "new", "--share", "0.00001%"], "too fine", "0.0001%"),
        (["set", "new", "--share", "x%"], "'x%' is not a share", "5% or 0.01%"),
        (["set", "new", "--share", "1e999999999%"], "is not possible", "from 0% to 100%"),
        (["set", "new", "--value", "v2"], "is not of its type, boolean", "--type string"),
        (["set", "new", "--value", "7"], "is not of its type, boolean", "true"),
        (["set", "new", "--type", "number", "--value", "many"], "is not of its type, number", "for example 10"),
        (["set", "new", "--type", "string"], "has no value", "--value"),
        (["set", "new", "--when", "country"], "is not an attribute", "country=DE,AT"),
        (["set", "new", "--expires", "2020-01-01"], "not in the future", "2030-03-01"),
        (["set", "new", "--expires", "soon"], "soon", "Write a span"),
        (["set", "new", "--allow", "a", "--no-allow"], "use one of them", ""),
        (["set", "a\nb"], "is not a valid name", "printable"),
        (["set", "checkout", "--type", "string"], "cannot become string", "another name"),
        (["set", "checkout"], "nothing to change", "--share"),
        (["set", "chekout", "--resume"], "unknown flag 'chekout'", "Did you mean 'checkout'?"),
        (["show", "chekout"], "unknown flag 'chekout'", "Did you mean 'checkout'?"),
        (["kill", "chekout"], "unknown flag 'chekout'", "Did you mean 'checkout'?"),
        (["delete", "chekout", "-y"], "unknown flag 'chekout'", "Did you mean 'checkout'?"),
        (["history", "chekout"], "unknown flag 'chekout'", "Did you mean 'checkout'?"),
    ],
)
def test_bad_input_changes_nothing_and_names_the_fix(cli, stage, words, problem, fix):
    """An unknown name gets the nearest one."""
    cli("flags", "set", "checkout")
    before = cli("flags", "list", "--json").json
    result = cli("flags", *words)
    assert result.code != 0
    assert problem in result.err
    assert fix in result.err
    assert cli("flags", "list", "--json").json == before


def test_value_is_read_from_a_file(cli, stage, folder):
    """As other JSON; text of a string flag is never the name of a file."""
    (folder / "limits.json").write_text('{"rows": 10}\n')
    assert cli("flags", "set", "limits", "--type", "json", "--value", "@limits.json").code == 0
    assert cli("flags", "show", "limits", "--json").json["flag"]["value"] == {"rows": 10}
    assert "No such file" in cli("flags", "set", "limits", "--value", "@none.json").err
    cli("flags", "set", "model", "--type", "string", "--value", "@limits.json", "--otherwise", "v1")
    flag = cli("flags", "show", "model", "--json").json["flag"]
    assert (flag["value"], flag["otherwise"]) == ("@limits.json", "v1")
    cli("flags", "set", "model", "--otherwise", "null")
    assert cli("flags", "show", "model", "--json").json["flag"]["otherwise"] is None


def test_new_flag_with_a_name_like_another_one_is_noticed(cli, stage):
    """It may be misspelled."""
    cli("flags", "set", "checkout")
    assert "There is a flag 'checkout', too" in cli("flags", "set", "chekout").err


def test_flag_lists_its_answers_and_the_runs_that_hold_on(cli, stage):
    """By automation, side and reason; a run keeps its answer when the flag changes."""
    cli("flags", "set", "checkout", "--share", "100%", "--deny", "eve", "--when", "country=DE,AT", "--when", "plan=pro")
    first, second = hold(stage), hold(stage, key="eve")
    use = FlagUse("checkout", "backup", FlagSide.ON, FlagReason.SHARE, 1_200)
    stage.do(RecordFlagUses(1, (use, FlagUse("checkout", "", FlagSide.OFF, FlagReason.DENIED, 3))))
    changed = cli("flags", "set", "checkout", "--share", "0%", "--reason", "slow")
    assert "Unfinished runs keep their answers: 1 hold on, 1 hold off." in changed.out
    result = cli("flags", "show", "checkout")
    for part in (
        "backup: 1,200 x on (share)",
        "programs: 3 x off (denied)",
        first.id,
        "1 unfinished run holds the side on",
        "share: 100 % -> 0 % (slow)",
        "when       country=DE|AT, plan=pro",
    ):
        assert part in result.out
    assert second.id not in result.out
    document = cli("flags", "show", "checkout", "--json").json
    assert (document["runs_on"], document["runs_off"]) == (1, 1)
    assert [row["run"] for row in document["runs"]] == [first.id]
    assert [entry["verb"] for entry in document["changes"]] == ["set", "set"]
    assert "on 1,200, off 3" in cli("flags", "list").out
    assert cli("flags", "list", "--json").json[0]["questions"] == {"off": 3, "on": 1_200}


def test_kill_needs_no_confirmation_and_lists_the_runs_that_hold_on(cli, stage):
    """At most 20 of them, and the number of all; a resume ends it."""
    cli("flags", "set", "checkout", "--share", "100%")
    for _ in range(22):
        hold(stage)
    killed = cli("flags", "kill", "checkout", "--reason", "errors")
    assert (killed.code, killed.out.count("  r_")) == (0, 20)
    assert "22 unfinished runs hold the side on" in killed.out
    assert "and 2 more" in killed.out
    assert "--stop-runs pause (or --stop-runs cancel)" in killed.err
    assert cli("flags", "list", "--state", "killed", "--json").json[0]["killed_at"] is not None
    again = cli("flags", "kill", "checkout", "--json").json
    assert (again["runs_on"], len(again["runs"]), again["bulk"]) == (22, 20, None)
    assert "the flag is killed" in cli("flags", "set", "checkout", "--share", "50%").err
    assert "killed: " in cli("flags", "set", "checkout", "--resume").out
    assert cli("flags", "list", "--state", "killed", "--json").json == []


def test_kill_cancels_the_runs_after_a_confirmation(cli, stage):
    """The kill itself is done before it, and the bulk operation is one of those that others can see and stop."""
    cli("flags", "set", "checkout", "--share", "100%")
    held = [hold(stage) for _ in range(3)]
    other = stage.begin()
    declined = cli("flags", "kill", "checkout", "--stop-runs", "cancel", "--json")
    assert declined.code == 2
    assert "Add -y" in declined.err
    assert (declined.json["runs_on"], declined.json["bulk"]) == (3, None)
    assert cli("flags", "list", "--json").json[0]["state"] == "killed"
    words = ("flags", "kill", "checkout", "--stop-runs", "cancel", "-y", "--command-id", "night-1")
    bulk = cli(*words, "--json").json["bulk"]
    assert bulk == "night-1"
    result = cli("bulk", "show", bulk).out
    assert "Cancel runs that hold the side on of flag checkout: running" in result
    assert run_next_piece(stage.store)
    assert cli("bulk", "show", bulk, "--json").json["bulk"]["done"] == 3
    cancelled = [row.subject for row in audit_rows(stage.store.reader) if row.verb == "cancel"]
    assert {subject for subject in cancelled if subject.startswith("run:")} == {f"run:{run.id}" for run in held}
    assert f"run:{other.id}" not in cancelled
    assert f"Bulk operation {bulk} cancels 3 runs." in cli(*words).out  # the same operation, after a crash
    assert len(cli("bulk", "list", "--json").json) == 1


def test_kill_pauses_the_runs(cli, stage):
    """They continue when a person resumes them, with the answers that they hold."""
    cli("flags", "set", "checkout", "--share", "100%")
    held = [hold(stage) for _ in range(2)]
    result = cli("flags", "kill", "checkout", "--stop-runs", "pause", "-y", "--command-id", "night-2")
    assert "Bulk operation night-2 pauses 2 runs." in result.out
    assert run_next_piece(stage.store)
    requested = [row.subject for row in audit_rows(stage.store.reader) if row.verb == "pause"]
    assert {f"run:{run.id}" for run in held} <= set(requested)


def test_kill_without_runs_starts_no_operation(cli, stage):
    """Nothing is asked."""
    cli("flags", "set", "checkout", "--share", "100%")
    result = cli("flags", "kill", "checkout", "--stop-runs", "cancel")
    assert result.code == 0
    assert "No unfinished run holds the side on." in result.out
    assert cli("bulk", "list", "--json").json == []


def test_history_names_who_when_what_and_why(cli, stage):
    """Newest first, and it outlives the flag."""
    cli("flags", "set", "checkout", "--share", "5%", "--actor", "ann", "--reason", "start")
    cli("flags", "set", "checkout", "--share", "25%", "--actor", "bob")
    cli("flags", "kill", "checkout", "--reason", "errors")
    cli("flags", "delete", "checkout", "-y", "--reason", "done")
    entries = cli("flags", "history", "checkout", "--json").json
    assert [(entry["verb"], entry["actor"], entry["reason"]) for entry in entries][2:] == [
        ("set", "cli:bob", None),
        ("set", "cli:ann", "start"),
    ]
    assert [entry["verb"] for entry in entries] == ["delete", "kill", "set", "set"]
    assert entries[2]["changes"] == [{"field": "share", "before": "5 %", "after": "25 %"}]
    text = cli("flags", "history", "checkout").out
    assert "share: 5 % -> 25 %" in text
    assert "errors" in text
    assert "There are more" in cli("flags", "history", "checkout", "--limit", "1").err


def test_flag_is_deleted_when_no_run_holds_an_answer(cli, stage):
    """Or with -y; without it a person is asked."""
    cli("flags", "set", "checkout", "--share", "100%")
    run = hold(stage)
    refused = cli("flags", "delete", "checkout")
    assert refused.code == 8
    assert "1 the side on, 0 the side off" in refused.err
    assert "-y" in refused.err
    stage.do(finish(run, RunState.SUCCEEDED))
    assert cli("flags", "delete", "checkout").code == 2  # no one confirms
    assert cli("flags", "delete", "checkout", "-y", "--command-id", "d1").code == 0
    assert cli("flags", "delete", "checkout", "-y", "--command-id", "d1").code == 0
    assert cli("flags", "list", "--json").json == []
    cli("flags", "set", "checkout", "--share", "100%")
    hold(stage)
    assert cli("flags", "delete", "checkout", "-y").code == 0


def test_store_without_flags_names_the_first_command(cli, stage):
    """An empty list is no error."""
    assert "mainspring flags set NAME" in cli("flags", "list").err


def test_runs_beyond_the_limit_of_a_bulk_operation_are_named(cli, stage, monkeypatch):
    """The command is repeated for the rest."""
    monkeypatch.setattr("mainspring.service.flag.MAX_BULK_PARTS", 2)
    cli("flags", "set", "checkout", "--share", "100%")
    for _ in range(3):
        hold(stage)
    killed = cli("flags", "kill", "checkout", "--stop-runs", "cancel", "-y")
    assert "cancels 2 runs." in killed.out
    assert "1 more hold the side on" in killed.err
