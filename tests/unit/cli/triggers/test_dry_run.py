"""triggers test: what an event would do, by the code that would do it, and nothing stored."""

import hashlib
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mainspring.cli.triggers.sample_event import read_sample
from mainspring.domain.errors import OptionError
from mainspring.domain.triggers.flow_control import FlowControl
from mainspring.domain.values.file import make_file_key
from mainspring.store.commands.automations import AnnounceDefinitions, AutomationRow
from mainspring.store.commands.runs import StartRun
from mainspring.store.commands.triggers import AcceptDelivery, TriggerRow
from tests.hook_samples import FOLDER, SECRET, signed_sample

CODE = """
import msgspec
import mainspring as ms


class Build(msgspec.Struct):
    id: int
    ok: bool = True


@ms.on.event("built", where={"branch": "main"}, debounce="1m", by="{data.id}")
@ms.task(key="build {id}")
def bot(id: int, branch: str): ...


def wanted(event):
    if event.name == "ping":
        raise ValueError("no pings")
    return event.data["action"] == "completed"


@ms.on.webhook("/github", verify="github:HOOK", max_body="2KiB", filter=wanted)
@ms.task
def hook(event: ms.Event): ...


@ms.on.run("extract", state="any")
@ms.on.run("extract", state="failed")
@ms.task
def load(event: ms.Event): ...


@ms.on.runs(["extract", "load"])
@ms.task
def report(): ...


@ms.on.queue("nats://broker/orders?subject=orders.new", batch=3)
@ms.task
def batch(builds: list[Build]): ...


@ms.on.files("in", pattern="*.csv", max_size="1KiB")
@ms.task
def inbox(file: ms.File): ...


@ms.on.event("typed")
@ms.task
def typed(build: Build): ...


@ms.on.event("sorted", filter=lambda event: event.data["id"] != "none")
@ms.task
def fitted(build: Build): ...
"""


@pytest.fixture
def project(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (folder / "code.py").write_text(CODE)
    (folder / "mainspring.toml").write_text('[project]\nautomations = ["code.py"]\n')
    monkeypatch.setenv("MAINSPRING_SECRET_HOOK", SECRET)
    return folder


def dry_run(cli, name, event, *more, code=0):
    result = cli("triggers", "test", name, event, *more, "--json")
    assert result.code == code, result.out + result.err
    return result.json


def saved(folder: Path, request) -> str:
    """A recorded request with its signature, as a file."""
    (folder / "event.json").write_text(json.dumps({"headers": request.headers, "body": request.body.decode()}))
    return "@event.json"


def test_event_is_held_by_its_flow_control_and_stored_nowhere(cli, project) -> None:
    """Held for its debounce, with the run key that it would have; no store is made."""
    found = dry_run(cli, "bot", '{"id": 7, "branch": "main"}')
    assert (found["state"], found["run_key"]) == ("held", "build 7")
    assert "debounce 1m" in found["facts"]["pace"]
    assert found["arguments"] == {"id": 7, "branch": "main"}
    assert not (project.parent / "store").exists()
    result = cli("triggers", "test", "bot/event", '{"id": 7, "branch": "main"}')
    assert "it is held until" in result.out
    assert "build 7: no run has it yet" in result.out


def test_event_that_where_does_not_want_ends_with_9(cli, project) -> None:
    """It is not accepted, and says why."""
    found = dry_run(cli, "bot", '{"id": 7, "branch": "dev"}', code=9)
    assert found["state"] == "refused"
    assert "where" in found["sentence"]


def test_faults_are_reported_with_their_path(cli, project) -> None:
    """Wrong types inside the value, and what is missing."""
    found = dry_run(cli, "typed", '{"id": "seven"}', code=9)
    assert found["state"] == "failed"
    assert any("build.id" in fault for fault in found["faults"])
    assert "$: 'id' is missing" in dry_run(cli, "bot", '{"branch": "main"}', code=9)["sentence"]


def test_filter_is_called_before_anything_has_to_fit(cli, project) -> None:
    """As it is in a worker: what it does not want may look like anything."""
    assert dry_run(cli, "fitted", '{"id": "none"}', code=9)["state"] == "filtered"
    assert dry_run(cli, "fitted", '{"id": "seven"}', code=9)["state"] == "failed"
    assert dry_run(cli, "fitted", '{"id": 7}')["state"] == "started"


def test_signed_sample_is_checked_and_filtered(cli, project) -> None:
    """Genuine by the project's secret; the filter of the code says yes, says no, or raises."""
    found = dry_run(cli, "hook", saved(project, signed_sample("github-workflow-run")))
    assert found["state"] == "started"
    assert found["facts"]["sender"] == "checked: genuine by github with the secret HOOK"
    assert "5f0c2a4e-0000-11f0-8000-00000000a003" in found["facts"]["key"]
    assert found["arguments"]["event"]["name"] == "workflow_run"
    assert (
        dry_run(cli, "hook", '{"action": "begun"}', "--header", "x-github-delivery: 1", code=9)["state"] == "filtered"
    )
    raised = dry_run(cli, "hook", "{}", "--header", "x-github-delivery=1", code=9)
    assert (raised["state"], "KeyError" in raised["sentence"]) == ("failed", True)


def test_unsigned_sample_is_marked_as_unchecked(cli, project, monkeypatch) -> None:
    """A sample from the documentation has no signature; a wrong one, or a secret that is not set, is reported too."""
    sample = f"@{FOLDER / 'github-workflow-run.json'}"
    found = dry_run(cli, "hook", sample)
    assert (found["state"], found["facts"]["sender"].partition(":")[0]) == ("started", "not checked")
    refused = dry_run(cli, "hook", sample, "--header", "x-hub-signature-256=sha256=00", code=9)
    assert (refused["state"], "401" in refused["sentence"]) == ("refused", True)
    monkeypatch.delenv("MAINSPRING_SECRET_HOOK")
    assert "MAINSPRING_SECRET_HOOK" in dry_run(cli, "hook", sample)["facts"]["sender"]


def test_ping_is_answered_and_too_much_is_refused(cli, project) -> None:
    """Neither is stored."""
    found = dry_run(cli, "hook", f"@{FOLDER / 'github-ping.json'}")
    assert (found["state"], "ping" in found["facts"]["answer"]) == (None, True)
    assert "413" in dry_run(cli, "hook", json.dumps({"x": "y" * 3_000}), code=9)["sentence"]
    assert "(400)" in dry_run(cli, "hook", '{"a": 1, "a": 2}', code=9)["sentence"]


@pytest.mark.parametrize(
    ("name", "event", "state"),
    [
        ("load/run", "17", "started"),
        ("load/run", '{"state": "cancelled"}', "started"),
        ("load/run#2", '{"state": "succeeded"}', "refused"),
        ("report", "{}", "started"),
        ("batch", '{"id": 1}', "held"),
        ("batch", "[", "refused"),
    ],
)
def test_each_trigger_kind_accepts_its_own_input(cli, project, name, event, state) -> None:
    """Ends of runs, gatherings, messages of queues."""
    assert dry_run(cli, name, event, code=0 if state in ("started", "held") else 9)["state"] == state


def test_file_is_checked_as_its_watcher_would(cli, project) -> None:
    """A real file: its name against the pattern, its size, its hash in the key."""
    (project / "a.csv").write_text("x")
    (project / "b.txt").write_text("x")
    (project / "c.csv").write_text("x" * 2_000)
    found = dry_run(cli, "inbox", "@a.csv")
    assert found["state"] == "started"
    assert found["arguments"]["file"]["path"] == str(project / "a.csv")
    assert "pattern" in dry_run(cli, "inbox", "@b.txt", code=9)["sentence"]
    assert "max_size" in dry_run(cli, "inbox", "@c.csv", code=9)["sentence"]


def test_file_has_the_key_of_its_watcher(cli, project, stage) -> None:
    """By its path below the folder: one that came already is known again; one from elsewhere is looked at as if it lay in the folder."""
    folder = project / "in" / "eu"
    folder.mkdir(parents=True)
    (folder / "a.csv").write_text("x")
    (project / "code.py").write_text(
        'import mainspring as ms\n@ms.on.files("../work/in", pattern="eu/**/*.csv")\n@ms.task\ndef inbox(file: ms.File): ...\n'
    )
    trigger = msgspec.json.encode({"source": {"type": "files", "folder": str(project / "in")}})
    row = TriggerRow("inbox/files", "inbox", "files", trigger)
    stage.do(AnnounceDefinitions("code", (AutomationRow("inbox", "task", 1, "f", b"{}"),), (), (row,)))
    key = make_file_key("eu/a.csv", hashlib.sha256(b"x").hexdigest())
    assert dry_run(cli, "inbox", "@in/eu/a.csv")["facts"]["key"] == f"{key}: it counts once, and is new"
    stage.do(AcceptDelivery(id="d_1", trigger="inbox/files", key=key, body_hash="h", body=b"{}"))
    again = dry_run(cli, "inbox", "@in/eu/../eu/a.csv", code=9)
    assert "it is a duplicate of d_1" in again["facts"]["key"]
    assert again["sentence"].startswith("it is a duplicate of d_1, so it starts nothing.")
    (project / "a.csv").write_text("x")
    assert "pattern" in dry_run(cli, "inbox", "@a.csv", code=9)["sentence"]


def test_file_of_a_folder_that_is_not_searched_is_omitted(cli, project) -> None:
    """Below the folder without recursive=, and in a folder whose name is ignored."""
    for name in ("sub", ".hidden"):
        (project / "in" / name).mkdir(parents=True)
        (project / "in" / name / "a.csv").write_text("x")
    assert "recursive" in dry_run(cli, "inbox", "@in/sub/a.csv", code=9)["sentence"]
    assert ".hidden" in dry_run(cli, "inbox", "@in/.hidden/a.csv", code=9)["sentence"]


@pytest.mark.parametrize(
    ("name", "event"),
    [("bot", '{"id": 7, "branch": "main"}'), ("load/run", "17"), ("report", "{}"), ("inbox", '{"path": "/a"}')],
)
def test_unknown_key_is_not_reported(cli, project, name, event) -> None:
    """An event, an end of a run and a file that are not there yet have none: nothing is said of what came already."""
    assert "key" not in dry_run(cli, name, event, code=9 if name == "inbox" else 0)["facts"]


def test_names_that_are_not_there_show_the_nearest(cli, project) -> None:
    """A trigger that is misspelt, and an automation with more than one."""
    assert "'bot/event'" in cli("triggers", "test", "bot/evnt", "{}").err
    several = cli("triggers", "test", "load", "{}")
    assert (several.code, "load/run, load/run#2" in several.err) == (8, True)
    assert cli("triggers", "test", "bot", "@nowhere.json").code == 2
    assert cli("triggers", "test", "bot", "{").code == 2


@pytest.mark.parametrize("text", ["x-a", "=x", ": x"])
def test_header_without_name_or_value_is_refused(text) -> None:
    """It says how one is written."""
    with pytest.raises(OptionError, match="header"):
        read_sample("{}", (text,))


def test_form_of_a_sample_is_sent_as_a_form() -> None:
    """Fields that are objects are JSON."""
    sample = read_sample(f"@{FOLDER / 'slack-button.json'}", ("X-More=1",))
    assert sample.body.startswith(b"payload=%7B")
    assert sample.headers["x-more"] == "1"


def test_triggers_are_numbered_as_they_are_written(cli, project) -> None:
    """Whether the decorators stand above or below the one that makes the automation."""
    (project / "code.py").write_text(
        "import mainspring as ms\n"
        '@ms.on.event("a")\n@ms.on.event("b")\n@ms.task\n@ms.on.event("c")\n@ms.on.event("d")\n'
        "def bot(data: dict): ...\n"
    )
    assert dry_run(cli, "bot/event#4", "{}")["state"] == "started"
    starts = cli("auto", "graph", "-m", "code.py", "--json").json["nodes"][0]["starts"]
    assert starts == ["event a", "event b", "event c", "event d"]


def test_flow_control_is_evaluated_on_what_the_store_remembers(cli, project, stage) -> None:
    """A key that counted just now is dropped, one that is held is reported; the trial itself changes nothing of it."""
    (project / "code.py").write_text(
        "import mainspring as ms\n"
        '@ms.on.event("a", dedup="1h", by="{data.id}")\n@ms.on.event("b", debounce="1h")\n@ms.task\ndef bot(id: int): ...\n'
    )
    trigger = msgspec.json.encode({"source": {"type": "event", "name": "a"}})
    rows = tuple(TriggerRow(f"bot/{end}", "bot", "event", trigger) for end in ("event", "event#2"))
    stage.do(AnnounceDefinitions("code", (AutomationRow("bot", "task", 1, "f", b"{}"),), (), rows))
    run = StartRun(id="r_1", automation="bot", kind="task", version=1, input=b"{}", codec="json", trigger="t")
    received: dict[str, Any] = {"body_hash": "h", "body": b"{}"}
    stage.do(
        AcceptDelivery(
            id="d_1", trigger="bot/event", key="k", by="7", pace=FlowControl(dedup=3_600_000), start=run, **received
        )
    )
    stage.do(AcceptDelivery(id="d_2", trigger="bot/event#2", key="k", pace=FlowControl(debounce=3_600_000), **received))
    for _ in range(2):
        assert dry_run(cli, "bot/event", '{"id": 7}', code=9)["state"] == "dropped"
        assert dry_run(cli, "bot/event", '{"id": 8}')["state"] == "started"
        assert "1 delivery is held already" in dry_run(cli, "bot/event#2", '{"id": 7}')["facts"]["pace"]
