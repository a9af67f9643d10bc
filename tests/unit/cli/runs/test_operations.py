"""runs cancel, retry, signal, answer, give-result, and acts on all that a filter means."""

import shlex

import msgspec
import pytest

from mainspring.alerting.evaluation import Evaluator
from mainspring.domain.effects.effect import CallOutcome, EffectCall, EffectHolder
from mainspring.domain.failures.failure import Failure
from mainspring.domain.monitors.registry import DEFAULT_TUNINGS
from mainspring.domain.notifications.routing import NotificationRouting
from mainspring.domain.runs.journal import QuestionPlan
from mainspring.domain.states import FailureReason, OutcomeState, RunState
from mainspring.store.commands.effects import BeginEffect, SettleEffect
from mainspring.store.commands.inbox import OpenWait
from mainspring.store.commands.runs import ClaimRuns
from mainspring.store.read.effects import read_effect
from mainspring.store.read.runs.run_views import run_history, run_view
from tests.contract.store.process import fail, finish, halt, outcome, suspend
from tests.unit.cli.conftest import ORDER

QUESTION = b'{"text": "Ship it?", "choices": ["yes", "no"], "otherwise": null}'


def state(stage, run):
    return run_view(stage.store.reader, run).state


def failed(stage, **options):
    run = stage.begin(**options)
    stage.do(fail(run))
    return run.id


def ask_question(stage):
    run = stage.begin(ORDER, b'{"customer": "a"}')
    stage.do(OpenWait(run.id, run.claim, "q1", "ask", "ask", question=QUESTION))
    stage.do(suspend(run))
    return run.id


def test_cancel_ends_a_queued_run_with_its_actor_and_reason(cli, stage):
    """One named run needs no confirmation; who and why stand in the audit log."""
    run = stage.start()
    result = cli("runs", "cancel", run, "--reason", "wrong day", "--actor", "deploy")
    assert result.code == 0
    assert state(stage, run) is RunState.CANCELLED
    (act, *_) = cli("audit-log", "list", "--json").json
    assert (act["actor"], act["verb"], act["reason"]) == ("cli:deploy", "cancel", "wrong day")


def test_same_command_id_works_once(cli, stage):
    """A repeated call gives the first answer and changes nothing."""
    run = failed(stage)
    for _ in range(2):
        assert cli("runs", "retry", run, "--command-id", "again-1").code == 0
    assert len([act for act in cli("audit-log", "list", "--json").json if act["verb"] == "retry"]) == 1


def test_operation_that_does_not_fit_ends_with_8(cli, stage):
    """A run that ended cannot be cancelled."""
    result = cli("runs", "cancel", failed(stage))
    assert result.code == 8
    assert "failed" in result.err


def test_filter_wants_a_yes_and_names_the_flag(cli, stage):
    """Without a terminal no one is asked: it ends with 2, and nothing is done."""
    runs = [stage.start() for _ in range(3)]
    result = cli("runs", "cancel", "--state", "queued")
    assert result.code == 2
    assert "-y" in result.err
    assert {state(stage, run) for run in runs} == {RunState.QUEUED}
    assert cli("runs", "cancel", "--state", "queued", "-y").out == "3 runs will be cancelled.\n"
    assert {state(stage, run) for run in runs} == {RunState.CANCELLED}


def test_operation_on_everything_must_be_explicit(cli, stage):
    """Neither runs nor a filter, or both, is a usage error."""
    run = stage.start()
    assert cli("runs", "cancel", "-y").code == 2
    assert cli("runs", "cancel", run, "--name", "backup", "-y").code == 2
    assert cli("failed", "retry", "-y").code == 2


def test_dry_run_lists_and_does_nothing(cli, stage):
    """Which runs a filter means, without asking and without an act."""
    runs = [failed(stage) for _ in range(2)]
    result = cli("failed", "retry", "--since", "1h", "--dry-run")
    assert result.out.split() == runs
    assert {state(stage, run) for run in runs} == {RunState.FAILED}


def test_bulk_reports_what_was_refused(cli, stage):
    """What one run refuses does not keep the others, and the exit code tells."""
    good, bad = failed(stage), stage.start()
    result = cli("runs", "retry", good, bad, "--json")
    assert result.code == 8
    assert result.json["done"] == 1
    assert set(result.json["refused"]) == {bad}


@pytest.mark.parametrize("command", ["failed", "runs"])
def test_rate_spreads_the_starts_by_due_times_on_record(cli, stage, command):
    """The first at once, the others evenly after it; the command itself waits for nothing."""
    runs = [failed(stage) for _ in range(4)]
    before = stage.now
    result = cli(command, "retry", "--since", "1h", "--rate", "60/m", "-y")
    after = stage.now
    assert result.code == 0
    assert "the last at" in result.err
    due = [run_view(stage.store.reader, run).due_at for run in runs]
    assert before <= due[0] <= after
    assert [at - due[0] for at in due] == [0, 1000, 2000, 3000]
    assert stage.claim().id == runs[0]
    assert stage.do(ClaimRuns("more", 10)).runs == ()


def test_rate_counts_from_the_given_time(cli, stage):
    """--at says when the first one is due."""
    runs = [failed(stage) for _ in range(2)]
    assert cli("runs", "retry", *runs, "--at", "2030-01-01T00:00+00:00", "--rate", "2/h").code == 0
    first, second = (run_view(stage.store.reader, run).due_at for run in runs)
    assert (first, second - first) == (1893456000000, 1_800_000)
    assert cli("runs", "retry", *runs, "--rate", "often").code == 2


def test_queue_states_which_runs_are_meant(cli, stage):
    """Runs of other queues stay as they are."""
    here, there = failed(stage, queue="mail"), failed(stage)
    result = cli("failed", "retry", "-q", "mail", "--dry-run", "--json")
    assert result.json["runs"] == [here]
    assert cli("runs", "retry", "--queue", "mail", "-y").code == 0
    assert run_view(stage.store.reader, there).state is RunState.FAILED


def test_retry_from_a_step_opens_a_generation(cli, stage):
    """--from-step names a step; an unknown one shows the nearest."""
    run = stage.begin()
    stage.do(outcome(run, 1, "charge"))
    stage.do(outcome(run, 2, "send", state=OutcomeState.FAILED, failure=Failure("E", "e", "no")))
    stage.do(fail(run, "send"))
    assert "charge" in cli("runs", "retry", run.id, "--from-step", "chrge").err
    assert cli("runs", "retry", run.id, "--from-step", "charge").code == 0
    assert run_view(stage.store.reader, run.id).generation == 1


@pytest.mark.parametrize("args", [["--again", "a", "--accept", "b"], ["--again", "a", "--at", "10m"]])
def test_recovery_options_exclude_each_other(cli, stage, args):
    """One way at a time."""
    assert cli("runs", "retry", failed(stage), *args).code == 2


def test_runs_are_listed_by_tag(cli, stage):
    """Several tags must all be there."""
    run = stage.start(tags={"customer": "acme", "day": "mon"})
    stage.start(tags={"customer": "acme"})
    assert [row["id"] for row in cli("runs", "list", "--tag", "customer=acme", "--tag", "day=mon", "--json").json] == [
        run
    ]
    assert len(cli("runs", "list", "--tag", "customer=acme", "--json").json) == 2
    refused = cli("runs", "list", "--tag", "customer")
    assert (refused.code, "expected NAME=VALUE" in refused.err) == (2, True)


def test_retry_may_be_postponed(cli, stage):
    """--at is a span from now or an instant."""
    run = failed(stage)
    assert cli("runs", "retry", run, "--at", "10m").code == 0
    assert 590_000 < (run_view(stage.store.reader, run).due_at or 0) - stage.now <= 600_000


def test_signal_takes_json_from_words_file_and_refuses_the_rest(cli, stage, folder):
    """Text without its quotes is explained."""
    run = stage.start()
    (folder / "v.json").write_text('{"n": 1}')
    assert cli("runs", "signal", run, "go", "[1, 2]").code == 0
    assert cli("runs", "signal", run, "go", "@v.json").code == 0
    assert [fact.payload for fact in run_history(stage.store.reader, run).facts] == [b"[1,2]", b'{"n":1}']
    result = cli("runs", "signal", run, "go", "yes")
    assert result.code == 2
    assert "Quote text twice" in result.err
    assert cli("runs", "signal", run, "go", "@none.json").code == 2


def test_answer_takes_a_choice_and_lists_all_where_it_is_none(cli, stage):
    """A choice that is not offered is refused; the right one is delivered."""
    run = ask_question(stage)
    result = cli("runs", "answer", run, "yess")
    assert result.code == 2  # bad input, as of each other command
    assert "unknown choice for 'Ship it?': 'yess'" in result.err
    assert "Choices: 'yes', 'no'" in result.err
    assert cli("runs", "answer", run, "yes", "--note", "paid").code == 0
    assert state(stage, run) is RunState.WAITING
    assert cli("runs", "answer", run, "no").code == 3


FORM = msgspec.json.encode(
    {
        "text": "Refund?",
        "choices": [],
        "detailed": True,
        "form": {
            "type": "object",
            "properties": {"amount": {"type": "integer"}, "why": {"type": "string"}, "to": {"$ref": "#/$defs/To"}},
            "required": ["amount"],
            "additionalProperties": False,
            "$defs": {"To": {"type": "object", "properties": {"city": {"type": "string"}}}},
        },
    }
)


def ask_form(stage):
    run = stage.begin()
    stage.do(OpenWait(run.id, run.claim, "ask:refund#1", "ask", "refund", question=FORM))
    stage.do(OpenWait(run.id, run.claim, "ask#1", "ask", "ask", question=QUESTION))
    stage.do(suspend(run))
    return run.id


@pytest.mark.parametrize(
    "fields", [["amount=5", "why=7", "to.city=Bonn"], ['{"amount": 5, "why": "7", "to": {"city": "Bonn"}}']]
)
def test_form_is_filled_in_by_words_or_json(cli, stage, fields):
    """Each word has the type of its field; the question is named, and the note goes with the answer."""
    run = ask_form(stage)
    words = [word for field in fields for word in ("--form", field)]
    assert cli("runs", "answer", run, "--question", "refund", *words, "--note", "late").code == 0
    (fact,) = run_history(stage.store.reader, run).facts
    sent = msgspec.json.decode(fact.payload)
    assert sent["answer"] == {"amount": 5, "why": "7", "to": {"city": "Bonn"}}
    assert (sent["by"].partition(":")[0], sent["note"]) == ("cli", "late")


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["--form", "amount=five"], 2, "at $.amount"),
        (["--form", "why=x"], 2, "at $.amount"),
        (["--form", "amount=5", "--form", "amount=6"], 2, "given more than once"),
        (["--form", "amount"], 2, "not of the form name=value"),
        (["yes"], 2, "its fields: amount, why, to"),
        (["yes", "--form", "amount=5"], 2, "a choice or a form"),
        ([], 2, "a choice or a form"),
    ],
)
def test_form_that_is_not_filled_in_right_is_refused(cli, stage, words, code, text):
    """The error names the field, and nothing is delivered."""
    run = ask_form(stage)
    result = cli("runs", "answer", run, "--question", "refund", *words)
    assert (result.code, text in result.err) == (code, True), result.err
    assert run_history(stage.store.reader, run).facts == []


def test_each_error_of_a_form_is_reported_at_once(cli, stage):
    """The first with its place, the others below; a boolean says what it accepts."""
    run = stage.begin()
    form = {
        "type": "object",
        "properties": {"amount": {"type": "integer"}, "insured": {"type": "boolean"}, "to": {"$ref": "#/$defs/To"}},
        "required": ["amount", "insured"],
        "additionalProperties": False,
        "$defs": {"To": {"type": "object", "properties": {"city": {"type": "string"}, "zip": {"type": "integer"}}}},
    }
    stage.do(OpenWait(run.id, run.claim, "ask#1", "ask", "ask", question=msgspec.json.encode({"form": form})))
    stage.do(suspend(run))
    given = ["insured=yes", "colour=red", "to.zip=abc", "to.city=7"]
    result = cli("runs", "answer", run.id, *(word for field in given for word in ("--form", field)), "--json")
    assert result.code == 2
    error = msgspec.json.decode(result.err)
    unknown = "no field of this name is known; the fields are amount, insured, to"
    assert error["message"].splitlines() == [
        f"the answer to ask#1 of run {run.id} does not fit its form: {unknown}",
        "at $.colour",
        "also at $.amount: it is missing",
        'also at $.insured: expected boolean (true or false), got "yes"',
        'also at $.to.zip: expected integer, got "abc"',
    ]


def test_answer_without_a_name_lists_the_open_ones(cli, stage):
    """By name where there is one, else by identity; explain prints a command for each."""
    run = ask_form(stage)
    result = cli("runs", "answer", run, "yes")
    assert (result.code, "refund: Refund? [amount, why, to]" in result.err, "ask#1: Ship it?" in result.err) == (
        8,
        True,
        True,
    )
    offers = [can["command"] for can in cli("explain", run, "--json").json["can"] if can["act"] == "answer"]
    assert f"mainspring runs answer {run} --question refund --form amount=VALUE" in offers


def test_questions_are_listed_with_their_assignees(cli, stage):
    """All of them, or those of one person or team, each with a command that answers it."""
    assert "No question is open" in cli("runs", "questions").err
    run = stage.begin()
    plan = QuestionPlan("finance", None, 3_600_000, "cfo")
    stage.do(OpenWait(run.id, run.claim, "ask:refund#1", "ask", "refund", question=FORM, plan=plan))
    other = ask_question(stage)
    assert [row["run"] for row in cli("runs", "questions", "--json").json] == [run.id, other]
    (row,) = cli("runs", "questions", "--assignee", "finance", "--json").json
    assert (row["name"], row["assignee"], row["fields"]) == ("refund", "finance", ["amount", "why", "to"])
    assert row["command"] == f"mainspring runs answer {run.id} --question refund --form amount=VALUE"
    assert "No open question is for cfo." in cli("runs", "questions", "--assignee", "cfo").err
    assert "finance" in cli("runs", "questions").out
    assert [row["run"] for row in cli("runs", "questions", "--name", "order", "--json").json] == [other]
    assert len(cli("runs", "questions", "--since", "1h", "--json").json) == 2
    later = cli("runs", "questions", "--since", "2100-01-01")
    assert (later.code, later.out, "No open question matches these options." in later.err) == (0, "", True)


@pytest.mark.parametrize(
    ("evidence", "lines"),
    [
        ({"page": "a\x1b[31m", "visits": 3}, ["page: a\\x1b[31m", "visits: 3"]),
        ("one\ntwo", ["one", "two"]),
        ({"password": "hunter22"}, ["password: ***"]),
        ([1, {"a": None}], ["[", " 1,", " {", '  "a": null', " }", "]"]),
        (list(range(30)), ["[", *(f" {number}," for number in range(19)), "and 12 more lines"]),
    ],
)
def test_evidence_of_a_question_is_printed(cli, stage, evidence, lines):
    """By each command that shows the question, without control characters and secrets; JSON has the values."""
    run = stage.begin(ORDER, b'{"customer": "a"}')
    question = msgspec.json.encode({"text": "Ship it?", "choices": ["yes"], "evidence": evidence})
    stage.do(OpenWait(run.id, run.claim, "ask#1", "ask", "ask", question=question))
    stage.do(suspend(run))
    for words in (("explain", run.id), ("runs", "show", run.id)):
        printed = cli(*words).out.splitlines()
        place = printed.index("  evidence")
        assert printed[place + 1 : place + 1 + len(lines)] == [f"    {line}" for line in lines]
    assert lines[0] in cli("runs", "questions").out
    expected = {"password": "***"} if evidence == {"password": "hunter22"} else evidence
    assert cli("runs", "questions", "--json").json[0]["evidence"] == expected
    assert cli("explain", run.id, "--json").json["evidence"] == {"ask#1": expected}


def test_explain_prints_an_answer_that_works_for_each_open_question(cli, stage):
    """With two questions open each command names its question, and says which it answers."""
    run = stage.begin()
    for ident, text in (("ask#1", "Ship it?"), ("ask#2", "Refund it?")):
        question = msgspec.json.encode({"text": text, "choices": ["yes"]})
        stage.do(OpenWait(run.id, run.claim, ident, "ask", "ask", question=question))
    stage.do(suspend(run))
    offers = [can for can in cli("explain", run.id, "--json").json["can"] if can["act"] == "answer"]
    assert [can["does"] for can in offers] == ["answer: Ship it? [yes]", "answer: Refund it? [yes]"]
    for can in offers:
        assert cli(*shlex.split(can["command"])[1:]).code == 0
    assert {fact.ident for fact in run_history(stage.store.reader, run.id).facts} == {"ask#1", "ask#2"}


def test_explain_offers_no_answer_after_the_time_of_a_question(cli, stage):
    """It says that the time ended, and the store refuses an answer with the instant."""
    run = stage.begin()
    until_at = stage.clock.now() - 1
    stage.do(OpenWait(run.id, run.claim, "ask#1", "ask", "ask", until_at=until_at, question=QUESTION))
    waiting = [{"kind": "answer", "name": "ask", "ident": "ask#1", "until_at": until_at}]
    stage.do(msgspec.structs.replace(suspend(run), waiting_for=msgspec.json.encode(waiting)))
    explained = cli("explain", run.id, "--json").json
    assert "The time for the answer to Ship it? [yes, no] ended at" in " ".join(explained["what"])
    assert not any("runs answer" in can["command"] for can in explained["can"])
    result = cli("runs", "answer", run.id, "yes")
    assert (result.code, "ended at" in result.err) == (3, True)


def test_give_result_lets_a_run_in_doubt_continue(cli, stage):
    """The result is given by hand; no JSON is refused before anything is done."""
    run = stage.begin()
    stage.do(outcome(run, 1, "pay", state=OutcomeState.IN_DOUBT, output=None))
    stage.do(halt(run, "pay", FailureReason.IN_DOUBT, rank=1))
    assert cli("runs", "give-result", run.id, "{oops").code == 2
    assert cli("runs", "give-result", run.id, '{"id": 7}').code == 0
    assert state(stage, run.id) is RunState.QUEUED


def test_discard_wants_a_yes(cli, stage):
    """Cancelling is final, even for one run."""
    run = stage.begin()
    stage.do(halt(run, "pay"))
    assert cli("failed", "discard", run.id).code == 2
    assert cli("failed", "discard", run.id, "-y").code == 0
    assert state(stage, run.id) is RunState.FAILED


def test_failed_list_displays_errors(cli, stage):
    """Each with its reason and message."""
    run = failed(stage)
    (row,) = cli("failed", "list", "--json").json
    assert (row["id"], row["reason"], row["error"]) == (run, "permanent_error", "ValueError: it broke")
    assert "it broke" in cli("failed", "list").out


def test_failed_list_and_incidents_distinguish_the_items_of_failed_runs(cli, stage):
    """Three files of one automation fail by one error: each is reported by its title or its item, and in JSON by both."""
    runs = {}
    for file, title in (("/in/a.csv", None), ("/in/" + "deep/" * 20 + "b.csv", None), ("/in/c.csv", "Read c")):
        runs[file] = stage.begin(ORDER, b'{"customer": "a"}', item=file, title=title)
        stage.do(fail(runs[file]))
    Evaluator(
        stage.store, stage.clock, tunings=DEFAULT_TUNINGS, routing=NotificationRouting(), redact=str
    ).evaluate_once()
    rows = {row["id"]: row for row in cli("failed", "list", "--json").json}
    assert {(rows[run.id]["item"], rows[run.id]["title"]) for run in runs.values()} == {
        (file, "Read c" if file == "/in/c.csv" else None) for file in runs
    }
    for text in ("/in/a.csv", "deep/b.csv", "Read c"):
        assert text in cli("failed", "list").out
    (found,) = cli("incidents", "list", "--json").json
    assert sorted(found["items"]) == sorted(["Read c", *(file for file in runs if file != "/in/c.csv")])
    assert "Read c (and 2 more)" in cli("incidents", "list").out
    view = cli("incidents", "show", found["id"]).out
    for text in ("  /in/a.csv", "deep/b.csv", "  Read c  /in/c.csv"):
        assert text in view


def test_operations_need_a_store(cli, store_path):
    """An act never makes a store."""
    assert cli("runs", "cancel", "r_x").code == 2
    assert cli("queues", "pause", "default").code == 2
    assert not store_path.exists()


def broke(stage, message, **more):
    run = stage.begin(**more)
    failure = Failure(type="shop.CardError", code="unknown", message=message, frames=["/a/orders.py:3 charge"])
    stage.do(finish(run, RunState.FAILED, failure=failure, reason=FailureReason.RETRIES_EXHAUSTED))
    return run.id


def test_failed_list_has_one_line_for_each_error(cli, stage):
    """With how often, where, and the newest run to look at, in the words of the newest; numbers in a message make no other error."""
    runs = [broke(stage, f"card {number} refused after {number}.5 s") for number in (7, 81, 9)]
    other = broke(stage, "no such customer")
    # Within one millisecond none of them is the newer one.
    groups = sorted(cli("failed", "list", "--by", "error", "--json").json, key=lambda group: group["number"])
    assert [(group["number"], group["example"], group["automations"]) for group in groups] == [
        (1, other, ["backup"]),
        (3, runs[-1], ["backup"]),
    ]
    assert groups[1]["text"] == "CardError: card 9 refused after 9.5 s (orders.py:3 in charge)"
    assert groups[1]["place"] == "orders.py charge"
    assert groups[1]["first_at"] <= groups[1]["last_at"]
    answer = cli("failed", "list", "--by", "error")
    assert groups[1]["fingerprint"] in answer.out
    assert "CardError: card" in answer.out
    assert len(cli("failed", "list", "--by", "error", "--limit", "1", "--json").json) == 1


def test_errors_that_were_grouped_and_new_ones_are_one_line(cli, stage):
    """What a watcher has grouped and what came since are counted together, also for runs that continued; the filters know both."""

    def errors(*options):
        found = cli("failed", "list", "--by", "error", "--json", *options).json
        return [(group["number"], group["example"]) for group in found]

    first = broke(stage, "card 7 refused")
    Evaluator(
        stage.store, stage.clock, tunings=DEFAULT_TUNINGS, routing=NotificationRouting(), redact=str
    ).evaluate_once()
    assert errors() == [(1, first)]
    cli("runs", "retry", first)
    stage.claim()
    second = broke(stage, "card 8 refused")
    assert errors() == [(2, second)]
    assert errors("--state", "failed", "--name", "backup", "--since", "1h") == [(2, second)]
    assert errors("--state", "needs_attention") == []
    assert errors("--name", "order") == []
    assert errors("--error", "000000") == []


def test_failed_run_names_its_incident(cli, stage):
    """As soon as a watcher has told of it, with how that stands; a run that continues names none."""
    run = broke(stage, "card 7 refused")
    assert cli("runs", "show", run, "--json").json["incident"] is None
    Evaluator(
        stage.store, stage.clock, tunings=DEFAULT_TUNINGS, routing=NotificationRouting(), redact=str
    ).evaluate_once()
    (incident,) = cli("incidents", "list", "--json").json
    assert cli("runs", "show", run, "--json").json["incident"] == {"id": incident["id"], "state": "open"}
    assert f"{incident['id']} (open): incidents show {incident['id']}" in cli("runs", "show", run).out
    cli("runs", "retry", run)
    assert cli("runs", "show", run, "--json").json["incident"] is None


def test_failed_runs_of_one_error_are_listed_and_retried(cli, stage):
    """By a fingerprint or its beginning; `runs show` prints it; what is no fingerprint is refused."""
    runs = {broke(stage, f"card {number} refused") for number in (7, 81)}
    other = broke(stage, "no such customer")
    error = cli("runs", "show", min(runs), "--json").json["fingerprint"]
    assert error in cli("runs", "show", min(runs)).out
    rows = cli("failed", "list", "--error", error[:6], "--json").json
    assert {row["id"] for row in rows} == runs
    assert {row["fingerprint"] for row in rows} == {error}
    assert cli("failed", "retry", "--error", error).code == 2
    assert cli("failed", "retry", "--error", error, "-y").code == 0
    assert {state(stage, run) for run in runs} == {RunState.QUEUED}
    assert state(stage, other) is RunState.FAILED
    assert cli("failed", "list", "--error", "nope").code == 2


def stopped_by_a_rename(stage, new="charge_card"):
    run = stage.begin()
    detail = msgspec.json.encode({"renamed": {"ident": "charge#1", "old": "charge", "new": new}})
    stage.do(msgspec.structs.replace(outcome(run, 1, "charge#1", request_number=1), name="charge"))
    stage.do(halt(run, "charge#1", FailureReason.DRIFT, rank=1, detail=detail))
    return run.id


def test_renamed_step_is_mapped_by_its_pair(cli, stage):
    """`explain` shows the line; a wrong pair is refused with the right one."""
    run = stopped_by_a_rename(stage)
    answer = cli("explain", run).out
    assert f"mainspring runs retry {run} --map charge=charge_card" in answer
    assert f"mainspring runs retry {run} --accept charge" in answer
    refused = cli("runs", "retry", run, "--map", "other=charge_card")
    assert refused.code != 0
    assert "charge=charge_card" in refused.err
    assert cli("runs", "retry", run, "--map", "charge=charge_card").code == 0
    assert state(stage, run) is RunState.RUNNING or state(stage, run) is RunState.QUEUED


@pytest.mark.parametrize("words", [["--map", "charge=charge_card"], ["--accept", "charge"], ["--from-step", "charge"]])
def test_runs_that_stopped_for_one_renamed_step_are_decided_together(cli, stage, words):
    """A filter says which; what stopped for something else is refused and named."""
    runs = [stopped_by_a_rename(stage) for _ in range(2)]
    other = failed(stage)
    assert cli("runs", "retry", "--state", "needs_attention", *words, "--dry-run").code == 0
    result = cli("runs", "retry", *runs, other, *words, "-y")
    assert result.code == 8
    assert "2 runs continued" in result.out
    assert other in result.err
    assert RunState.NEEDS_ATTENTION not in {state(stage, run) for run in runs}
    assert state(stage, other) is RunState.FAILED


def fail_after_effects(stage, *keys):
    run = stage.begin()
    for key in keys:
        holder = EffectHolder(f"{run.id}/s", key, run.automation, run.id, "s#1", "k", 1)
        stage.do(BeginEffect(EffectCall(key, holder, "hash", b"null"), f"e_{key}"))
        stage.do(SettleEffect(key, f"e_{key}", 1, CallOutcome.DONE))
    stage.do(fail(run))
    return run


def test_retry_returns_the_effects_that_are_skipped(cli, stage):
    """A program reads them from the JSON."""
    run = fail_after_effects(stage, "invoice:1", "invoice:2")
    result = cli("runs", "retry", run.id, "--forget", "invoice:1", "--json")
    assert result.json == {"run": run.id, "continued": True, "skipped_effects": ["invoice:2"]}


@pytest.mark.parametrize("words", [(), ("--from-step", "s#1")])
def test_dry_run_of_a_retry_lists_the_effects_that_are_skipped(cli, stage, words):
    """Before the run continues: then one decides on `--forget`."""
    run = fail_after_effects(stage, "invoice:1", "invoice:2")
    result = cli("runs", "retry", run.id, *words, "--dry-run")
    assert (result.code, result.out.strip()) == (0, run.id)
    assert "  invoice:1 (step s#1)\n  invoice:2 (step s#1)\n" in result.err
    assert "--forget KEY" in result.err
    assert state(stage, run.id) is RunState.FAILED


def test_retry_lists_the_effects_that_are_skipped_and_forgets_one_on_request(cli, stage):
    """The ledger skips what the run has done; `--forget` lets a step perform it again, and the audit log has it."""
    run = fail_after_effects(stage, "invoice:1", "invoice:2")
    unknown = cli("runs", "retry", run.id, "--forget", "invoice:3")
    assert unknown.code != 0
    assert "invoice:2" in unknown.err
    assert cli("runs", "retry", "--state", "failed", "--forget", "invoice:1", "-y").code == 2
    assert cli("runs", "retry", run.id, "--from", "no such step", "--forget", "invoice:1").code != 0
    result = cli("runs", "retry", run.id, "--forget", "invoice:1", "--reason", "it bounced")
    assert result.code == 0
    assert "  invoice:2 (step s#1)" in result.err
    assert "invoice:1" not in result.err
    assert read_effect(stage.store.reader, "invoice:1") is None
    entries = cli("audit-log", "list", "--json").json
    assert ("forget", "effect:invoice:1", "it bounced") in [
        (entry["verb"], entry["subject"], entry["reason"]) for entry in entries
    ]
    again = cli("runs", "retry", run.id, "--forget", "invoice:2")
    assert again.code == 8
    assert f"run {run.id} is queued" in again.err
    assert read_effect(stage.store.reader, "invoice:2") is not None


def test_run_is_paused_and_resumed(cli, stage):
    """One by its id, many by a filter; each prints the state, and the way back."""
    run, other = stage.start(), stage.start()
    result = cli("runs", "pause", run, "--reason", "look first", "--actor", "ann")
    assert (result.out, result.code) == (f"{run} is paused.\n", 0)
    assert f"mainspring runs resume {run}" in result.err
    explained = cli("explain", run).out
    assert "It was paused now by cli:ann: look first." in explained
    assert cli("runs", "pause", run).code == 0
    assert "1 run is paused: mainspring runs list --state paused" in cli("status").out
    assert (
        cli("runs", "pause", "--name", "backup", "-y").out
        == "1 run paused, or will pause when the attempts under way have ended.\n"
    )
    assert state(stage, other) is RunState.PAUSED
    assert [row["id"] for row in cli("runs", "list", "--state", "paused", "--json").json] == [other, run]
    assert run in cli("runs", "resume", "--name", "backup", "--dry-run").out
    assert state(stage, run) is RunState.PAUSED
    assert cli("runs", "resume", "--name", "backup", "-y").code == 0
    assert state(stage, run) is RunState.QUEUED
    assert cli("runs", "resume", run).code == 8


def test_pause_of_a_running_run_waits_for_its_attempts(cli, stage):
    """Its worker does it; until then the request can be withdrawn."""
    run = stage.begin()
    assert (
        cli("runs", "pause", run.id, "--actor", "ann").out
        == f"{run.id} will pause when its attempts under way have ended.\n"
    )
    explained = cli("explain", run.id).out
    assert "cli:ann requested a pause now." in explained
    assert "It pauses when the attempts under way have ended, unless it ends before." in explained
    assert cli("runs", "resume", run.id).out == f"{run.id} is running.\n"
    assert cli("runs", "resume", run.id).code == 8


def test_run_is_forked_from_a_step(cli, stage):
    """The fork inherits what came before it; both explain where it comes from."""
    run = stage.begin(ORDER, b'{"customer": "a"}')
    for command in (outcome(run, 1), outcome(run, 2), finish(run, rank=2)):
        stage.do(command)
    assert f"mainspring runs fork {run.id} --from-step s2" in cli("explain", run.id).out
    result = cli("runs", "fork", run.id, "--from-step", "s2", "--input", '{"customer": "b"}', "--actor", "ann")
    assert result.code == 0
    fork = result.out.split()[0]
    assert result.out == f"{fork} is a fork of {run.id}: it inherits 1 outcome.\n"
    assert f"It is a fork of run {run.id} from step s2, and inherited 1 outcome." in cli("explain", fork).out
    assert cli("runs", "export", fork).json["run"]["input"] == {"customer": "b"}
    (act, *_) = cli("audit-log", "list", "--json").json
    assert (act["verb"], act["subject"]) == ("fork", f"run:{run.id}")
    assert cli("runs", "fork", fork, "--from-step", "s1").code == 8  # it has not ended
    assert cli("runs", "fork", run.id, "--from-step", "s9").code != 0
    assert cli("runs", "fork", run.id, "--from-step", "s2", "--input", "[1]").code == 2
    again = cli("runs", "fork", run.id, "--from-step", "s2", "--command-id", "f1", "--json").json
    assert cli("runs", "fork", run.id, "--from-step", "s2", "--command-id", "f1", "--json").json["run"] == again["run"]


def test_run_with_forks_needs_a_confirmation_before_it_is_undone_or_continued(cli, stage):
    """A fork may use what that would undo, or repeat."""
    run = stage.begin(ORDER, b'{"customer": "a"}')
    for command in (outcome(run, 1, undo="m:refund"), fail(run, "s2", rank=1)):
        stage.do(command)
    fork = cli("runs", "fork", run.id, "--from-end", "--json").json["run"]
    assert f"Its fork {fork} (queued) uses its results." in cli("explain", run.id).out
    for words in (("cancel", run.id, "--undo"), ("retry", run.id)):
        declined = cli("runs", *words)
        assert (declined.code, f"Forks of {run.id} use its results: {fork} (queued)" in declined.err) == (2, True)
    assert cli("runs", "fork", run.id).code == 2
    assert cli("runs", "retry", run.id, "-y").code == 0
