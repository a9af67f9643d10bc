"""runs list, show, export, diff."""

import msgspec
import pytest

from mainspring.domain.failures.failure import Failure
from mainspring.domain.runs.journal import FactKind, OutcomeKind
from mainspring.domain.runs.step_identity import escape_step_name
from mainspring.domain.states import AttemptState, FailureReason, OutcomeState, RunState
from mainspring.insight.text import formatting
from mainspring.store.commands.inbox import DeliverFact
from mainspring.store.commands.journal import SaveAttempt
from mainspring.store.commands.runs import AnnotateRun, SlotLink
from tests.contract.store.process import BOOM, fail, finish, halt, outcome
from tests.unit.cli.conftest import BACKUP, ORDER

NASTY = "\x1b[2J\x9b31mgone\u202e"


def test_list_without_a_store_is_an_error_and_makes_none(cli, store_path):
    """A question never makes a store, and an empty list would hide a mistyped one."""
    assert cli("runs", "list").code == 2
    assert "there is no store" in cli("runs", "list", "--json").err
    assert not store_path.exists()


def test_list_is_newest_first_with_pages(cli, stage):
    """--limit and --after walk through all runs without a gap, while new ones come."""
    ids = [stage.start() for _ in range(5)]
    first = [row["id"] for row in cli("runs", "list", "--limit", "2", "--json").json]
    stage.start()
    result = cli("runs", "list", "--limit", "2", "--after", first[-1], "--json")
    assert first + [row["id"] for row in result.json] == ids[:0:-1]
    assert f"--after {ids[3][-6:]}" in cli("runs", "list", "--limit", "3").err


def test_list_filters(cli, stage):
    """By state, several at once, by automation, by age."""
    failed, queued = stage.begin(), stage.start(ORDER, b'{"customer": "a"}')
    stage.do(fail(failed))

    def ids(*args):
        return {row["id"] for row in cli("runs", "list", "--json", *args).json}

    assert ids("--state", "failed") == {failed.id}
    assert ids("--state", "failed", "--state", "queued") == {failed.id, queued}
    assert ids("--name", "order") == {queued}
    assert ids("--since", "1h") == {failed.id, queued}
    assert ids("--since", "2100-01-01") == set()
    assert ids("--until", "2001-01-01") == set()
    assert (ids("--queue", "default"), ids("-q", "mail")) == ({failed.id, queued}, set())
    assert ids("--until", "2100-01-01") == ids("--limit", "50")


def test_list_names_the_automation_and_the_title_apart(cli, stage):
    """A name that other commands take is shown whole; titles have a column where a run has one."""
    stage.start()
    assert "TITLE" not in cli("runs", "list").out
    stage.start(title="Book the invoices of January")
    titles, rows = cli("runs", "list").out.splitlines()[0], cli("runs", "list").out.splitlines()[1:]
    assert "TITLE" in titles
    assert all(" backup " in row for row in rows)
    assert "Book the invoices of January" in rows[0]


def test_show_reports_the_slot_of_a_scheduled_run(cli, stage):
    """The due time that the run serves; it may begin much later."""
    at = stage.now // 60_000 * 60_000 - 3_600_000
    run = stage.start(slot=SlotLink("backup", at))
    assert f"  slot      {formatting.format_instant(at)} UTC (1h" in cli("runs", "show", run).out
    assert "  slot " not in cli("runs", "show", stage.start()).out


def test_automation_name_in_place_of_a_run_has_a_hint(cli, stage):
    """A name that a person knows is not called a run that is not there."""
    result = cli("explain", "backup")
    assert result.code == cli("explain", "nothing").code
    assert "backup is an automation, but a run is expected" in result.err
    assert "mainspring auto show backup. It has no run." in result.err
    run = stage.start()
    assert f"Its last run: mainspring explain {run}" in cli("explain", "backup").err
    assert f"Its last run: mainspring explain {run}" in cli("runs", "show", "backup").err
    assert "there is no run nothing" in cli("explain", "nothing").err


def test_table_into_a_pipe_is_not_cut(cli, stage):
    """What reads it gets each row whole; a terminal gets what fits."""
    long = "Invoices of " + "very " * 40 + "many customers"
    run = stage.begin(title=long)
    failure = Failure(type="E", code="e", message="no answer from " + "host " * 30 + "at all", frames=[])
    stage.do(finish(run, RunState.FAILED, failure=failure, reason=FailureReason.RETRIES_EXHAUSTED))
    assert long in cli("runs", "list").out
    assert "at all" in cli("failed", "list").out
    assert "…" not in cli("failed", "list").out


def test_list_displays_what_a_retry_healed(cli, stage, monkeypatch):
    """However far back it lies: one look is bounded, and the list is not."""
    monkeypatch.setattr("mainspring.store.read.runs.run_pages.MOST_SEARCHED", 2)
    first, second = stage.begin(), stage.begin()
    stage.do(outcome(first, 1, attempt=3))
    stage.do(outcome(second, 1, attempt=2, state=OutcomeState.FAILED, failure=BOOM))
    for _ in range(7):
        stage.start()
    assert [row["id"] for row in cli("runs", "list", "--healed", "--json").json] == [first.id]
    assert cli("runs", "list", "--healed", "--name", "order").out == ""


@pytest.mark.parametrize("args", [["--state", "done"], ["--since", "soon"], ["--limit", "0"]])
def test_list_refuses_what_it_does_not_know(cli, stage, args):
    """A wrong state, time or number is a usage error."""
    assert cli("runs", "list", *args).code == 2


@pytest.mark.parametrize(
    "args", [["runs", "list"], ["workers", "list"], ["auto", "list"], ["audit-log", "list"], ["failed", "list"]]
)
def test_second_name_is_not_dropped_in_silence(cli, stage, args):
    """A filter that looks as if it could be repeated says that it cannot, and names both."""
    result = cli(*args, "--name", "x", "--name", "y")
    assert result.code == 2
    assert "'x', 'y'" in result.err
    assert cli(*args, "--name", "x").code == 0


def test_plain_table_is_aligned_and_uncoloured(cli, stage):
    """Not a terminal: one header, aligned columns, no escape codes, icon and word of the state."""
    stage.begin()
    run = stage.start()
    lines = cli("runs", "list").out.splitlines()
    assert " 0+ " in lines[2]
    assert lines[0].split() == ["RUN", "STATE", "AUTOMATION", "STEPS", "CREATED", "DURATION"]
    assert lines[1].startswith(f"{run[-6:]}  … queued   backup")
    assert all(len(line) <= 80 for line in lines)


def test_list_as_people_type_ids(cli, stage):
    """A unique beginning, @last and @failed stand for a run; what could be several is refused."""
    failed = stage.begin()
    stage.do(fail(failed))
    last = stage.start()
    assert cli("runs", "show", "@last", "--json").json["id"] == last
    assert cli("runs", "show", "@failed", "--json").json["id"] == failed.id
    assert cli("runs", "show", last[:-1], "--json").json["id"] == last
    result = cli("runs", "show", "r_")
    assert result.code == 8
    assert "more than one run" in result.err


def test_show_prints_attempts_errors_and_the_command_that_continues(cli, stage):
    """A failed run tells which step, every attempt with its own error, and how to continue."""
    run = stage.begin(data=b'{"day": "2026-01-05"}')
    for number, text in ((1, "503 busy"), (2, "connection reset")):
        stage.do(
            SaveAttempt(
                run.id,
                run.claim,
                "upload",
                "upload",
                0,
                number,
                AttemptState.FAILED,
                1,
                stage.now,
                "backup",
                stage.now,
                stage.now + 10,
                Failure("HTTPError", "http", text, frames=["/srv/a.py:7 upload"]),
            )
        )
    last = Failure("HTTPError", "http", "403 AccessDenied")
    stage.do(
        outcome(run, 1, "upload", attempt=3, state=OutcomeState.FAILED, started_at=stage.now, failure=last, marked=True)
    )
    stage.do(
        finish(run, RunState.FAILED, failure=last, reason=FailureReason.PERMANENT_ERROR, failed_ident="upload", rank=1)
    )
    out = cli("runs", "show", run.id).out
    assert "It failed at step upload" in out
    for text in ("503 busy", "connection reset", "403 AccessDenied", "3 attempts", "/srv/a.py:7 in upload"):
        assert text in out
    assert '{"day":"2026-01-05"}' in out.replace('": "', '":"')
    assert f"$ mainspring runs retry {run.id}\n" in out
    assert "Nothing more happens by itself." in out
    assert f"mainspring runs retry {run.id} --from-step upload" in out


def test_show_renders_the_difference_of_a_drift(cli, stage):
    """Saved and present input stand below each other, with the two ways out."""
    run = stage.begin()
    changes = [{"path": "amount", "was": "12.5", "now": "13"}]
    drift = Failure("Drift", "drift", "the code asks for 'charge' with another input", data=changes)
    stage.do(outcome(run, 1, "charge"))
    stage.do(msgspec.structs.replace(halt(run, "charge", FailureReason.DRIFT, rank=1), failure=drift))
    out = cli("runs", "show", run.id).out
    assert "- saved 12.5" in out
    assert "+ now   13" in out
    assert f"mainspring runs retry {run.id} --accept charge" in out
    assert f"mainspring runs retry {run.id} --from-step charge" in out


def test_show_lists_hints_children_and_facts_not_accepted(cli, stage):
    """Things that few runs have are there when a run has them."""
    run = stage.begin()
    detail = b'{"hints": ["name it"], "unasked": ["old#1"], "unawaited": ["step boom failed"]}'
    stage.do(AnnotateRun(run.id, run.claim, detail=detail, progress=b"[3, 10]"))
    stage.do(DeliverFact(run.id, FactKind.SIGNAL, "stop", "s1", payload=b"1"))
    out = cli("runs", "show", run.id).out
    assert "hint: step name it is called several times without a key" in out
    assert "did not request it: old#1" in out
    assert "hint: step boom failed: await the task" in out
    assert "not processed yet: signal stop" in out
    assert "3/10" in cli("runs", "list").out


def test_nasty_text_is_harmless_everywhere(cli, stage):
    """Control characters in names, titles, inputs and errors never reach the terminal, as text or as JSON."""
    run = stage.begin(title=f"t{NASTY}", data=msgspec.json.encode({"a": NASTY}))
    nasty = Failure("E", "e", NASTY)
    stage.do(outcome(run, 1, NASTY, state=OutcomeState.FAILED, failure=nasty, started_at=stage.now))
    stage.do(msgspec.structs.replace(fail(run, NASTY), failure=nasty, rank=1))
    for args in (["list"], ["show", run.id], ["export", run.id], ["list", "--json"], ["show", run.id, "--json"]):
        result = cli("runs", *args)
        assert result.code == 0
        assert not any(c != "\n" and not c.isprintable() for c in result.out), args
    assert not any(c != "\n" and not c.isprintable() for c in cli("explain", run.id).out)
    assert cli("runs", "export", run.id).json["outcomes"][0]["failure"]["message"] == NASTY


def test_values_of_another_codec_are_not_guessed(cli, stage):
    """Bytes that are no JSON are shown as such."""
    run = stage.begin()
    stage.do(finish(run, result=b"\xff\x00secret"))
    assert "(8 bytes of another codec)" in cli("runs", "show", run.id).out
    assert set(cli("runs", "show", run.id, "--json").json["result"]) == {"base64"}


def test_export_holds_the_whole_history(cli, stage):
    """Journal, attempts and inbox; instants are ISO text."""
    run = stage.begin()
    stage.do(outcome(run, 1, "a", kind=OutcomeKind.STEP))
    found = cli("runs", "export", run.id).json
    assert found["outcomes"][0]["ident"] == "a"
    assert found["outcomes"][0]["output"] == 1
    assert found["run"]["created_at"].endswith("Z")


def test_diff_compares_with_the_last_good_run(cli, stage):
    """Input, step results and end; the run compared with is found by itself."""
    good = stage.begin(BACKUP, b'{"day": 1}')
    stage.do(outcome(good, 1, "dump", output=b'{"rows": 10}'))
    stage.do(finish(good, rank=1))
    bad = stage.begin(BACKUP, b'{"day": 2}')
    stage.do(outcome(bad, 1, "dump", output=b'{"rows": 0}'))
    stage.do(fail(bad))
    found = cli("runs", "diff", bad.id, "--json").json
    assert found["other"] == good.id
    places = {difference["path"]: (difference["other"], difference["this"]) for difference in found["differences"]}
    assert places["input.day"] == ("1", "2")
    assert places["step dump result.rows"] == ("10", "0")
    assert places["state"] == ("succeeded", "failed")
    assert cli("runs", "diff", good.id).code == 3


def test_diff_of_a_drift_displays_what_was_saved_and_what_is_requested_now(cli, stage):
    """No other run has to have succeeded; beside a named one it is compared as ever."""
    run = stage.begin()
    changes = [{"path": "amount", "was": "12.5", "now": "13"}]
    drift = Failure("Drift", "drift", "the code asks for 'charge' with another input", data=changes)
    stage.do(outcome(run, 1, "charge"))
    stage.do(msgspec.structs.replace(halt(run, "charge", FailureReason.DRIFT, rank=1), failure=drift))
    out = cli("runs", "diff", run.id).out
    assert ("- saved 12.5" in out, "+ now   13" in out) == (True, True)
    found = cli("runs", "diff", run.id, "--json").json
    assert found == {"other": None, "this": run.id, "differences": [{"path": "amount", "other": "12.5", "this": "13"}]}
    assert cli("runs", "diff", run.id, run.id, "--json").json["other"] == run.id


def test_show_reports_how_much_a_run_put_out(cli, stage):
    """In units for people, in bytes as JSON; nothing is said where no one measured it."""
    run, other = stage.begin(), stage.begin()
    stage.do(finish(run, output_size=2_000_000_000))
    stage.do(finish(other))
    assert "put out   2GB" in cli("runs", "show", run.id).out
    assert cli("runs", "show", run.id, "--json").json["output_size"] == 2_000_000_000
    assert "put out" not in cli("runs", "show", other.id).out


@pytest.mark.parametrize("typed", ["GET /orders#1/items [50 %]", "GET %2Forders%231%2Fitems %5B50 %25%5D#1"])
def test_a_step_of_any_name_is_listed_and_repeated(cli, stage, typed):
    """`--from-step` takes the name as the code has it, and the identity with its escapes."""
    name = "GET /orders#1/items [50 %]"
    run = stage.begin()
    stage.do(outcome(run, 1, f"{escape_step_name(name)}#1", name=name))
    stage.do(
        finish(run, RunState.FAILED, failure=Failure("E", "e", "no"), reason=FailureReason.PERMANENT_ERROR, rank=1)
    )
    assert name in cli("runs", "show", run.id).out
    cli("runs", "retry", run.id, "--from-step", typed, "--yes")
    assert "queued" in cli("runs", "show", run.id).out


def test_secret_headers_of_an_event_in_the_input_are_hidden(cli, stage):
    """As those of the run: the event of a trigger carries what a sender proved itself with. Of a batch, in each event."""
    event = {
        "name": "n",
        "data": {"n": 1.0},
        "at": "2026-01-05T03:00:00Z",
        "id": "d_1",
        "key": "k",
        "trigger": "a/event",
    }
    event["headers"] = {"x-token": "hush-1", "tenant": "acme"}
    data = {"event": event, "events": [event, event], "n": 2}
    run = stage.start(data=msgspec.json.encode(data))
    for words in (("runs", "show", run), ("runs", "show", run, "--json")):
        printed = cli(*words).out
        assert "hush-1" not in printed
        assert "(not shown)" in printed
    printed_input = cli("runs", "show", run, "--json").json["input"]
    hidden = event | {"headers": {"x-token": "(not shown)", "tenant": "acme"}}
    assert printed_input == {"event": hidden, "events": [hidden, hidden], "n": 2}


def test_answers_are_listed_with_author_and_note(cli, stage):
    """A secret in a note is hidden; an answer of an earlier version has no author."""
    run = stage.begin()
    options = {"kind": OutcomeKind.ANSWER, "output": b'"yes"'}
    origin = msgspec.json.encode([stage.now, "web:ana", "seen, password=pw-123456"])
    stage.do(outcome(run, 1, "ask:refund#1", name="refund", input=origin, **options))
    stage.do(outcome(run, 2, "ask#1", name="ask", **options))
    text = cli("runs", "show", run.id).out
    assert "answered refund by web:ana: seen, password=***" in text
    assert "  answered ask\n" in text


def test_run_is_named_by_its_key(cli, stage):
    """AUTOMATION/KEY stands for the id; what is no key of a run is an error that names it."""
    run = stage.start(key="mail/7")
    assert cli("runs", "show", "backup/mail/7", "--json").json["id"] == run
    assert cli("runs", "cancel", "backup/mail/7").code == 0
    assert cli("runs", "show", "backup/mail/7", "--json").json["state"] == "cancelled"
    missing = cli("runs", "show", "backup/mail/8")
    assert (missing.code, "there is no run backup/mail/8" in missing.err) == (3, True)
