"""`mainspring test replay`: histories of real runs against the same code, and against code with one edit."""

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.one_project import Project
from tests.acceptance.replayed_work import CODE, fill
from tests.postgres_server import PostgresServer

ENDED_NAMES = {
    "changed",
    "child",
    "failing",
    "generations",
    "mapped",
    "parent",
    "plain",
    "report",
    "restarted",
    "rolled",
    "spread",
}
NAMES = ENDED_NAMES | {"rolled_back", "updated", "waiting"}
RUNS = 18


def read_content(store: str) -> str:
    """Return a digest of all rows of a store."""
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as connection:
        return hashlib.sha256("\n".join(connection.iterdump()).encode()).hexdigest()


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = Project(tmp_path_factory.mktemp("filled"), CODE)
    fill(project)
    return project


@pytest.fixture
def project(tmp_path: Path, filled: Project) -> Iterator[Project]:
    """A project with the store of the filled one, for code of its own."""
    before = read_content(filled.store)
    project = Project(tmp_path, CODE)
    project.store = filled.store
    yield project
    assert read_content(filled.store) == before, "the replay changed the store"


@pytest.fixture(scope="module")
def journals(filled: Project) -> Path:
    """A folder with all runs as exported files."""
    folder = filled.folder / "journals"
    folder.mkdir()
    rows = filled.json("runs", "list", "--limit", "100")
    for row in [row for row in rows if row["kind"] != "step"]:  # a step that ran alone has no code of its own
        text = filled.call("runs", "export", row["id"]).stdout
        (folder / f"{row['automation']}-{row['id']}.json").write_text(text)
    return folder


def replay(project: Project, code: str, *words: str, exit_code: int, **env: str) -> dict[str, Any]:
    """Return the report about this code."""
    (project.folder / "work.py").write_text(code)
    report: dict[str, Any] = json.loads(project.call("test", "replay", "--json", *words, code=exit_code, **env).stdout)
    return report


def test_unchanged_code_is_the_same_for_each_feature(project: Project, journals: Path) -> None:
    """From the store, and from exported files without one: retried, forked, restarted, updated and rolled back runs are among them."""
    nowhere = str(project.folder / "none.db")
    for words, env in (((), {}), ((str(journals),), {"MAINSPRING_STORE_URL": nowhere})):
        report = replay(project, CODE, *words, exit_code=0, **env)
        assert report["differences"] == []
        assert (report["journals"], report["replayed"], report["same"]) == (RUNS, RUNS, RUNS)
        assert {row["automation"] for row in report["automations"]} == NAMES


EDITS = [
    ("plain", "run.step(charge, number)", "run.step(charge, number + 1)", "changed-input", "charge#1", 2),
    ("plain", "run.step(ship, number)", 'run.options(name="send").step(ship, number)', "new-step", "send#1", 3),
    ("plain", "return await run.step(ship, number)", 'return "parcel"', "missing-step", "ship#1", 3),
    ("waiting", '    await run.step(note, "charged")\n', "", "missing-step", "note#1", 1),
    ("waiting", "    await asyncio", "    await run.step(ship, 0)\n    await asyncio", "new-step", "ship#1", 1),
    ("waiting", "run.step(ship, number)", "run.step(ship, 0)", "same", None, 0),
    ("generations", "run.step(fragile, number)", "run.step(fragile, 0)", "changed-input", "fragile#1", 1),
    ("generations", "return await", "await run.step(ship, 1)\n    return await", "new-step", "ship#1", 1),
    ("rolled", '"version 2"', '"another"', "changed-input", "note#1", 1),
    ("changed", 'await run.version("by-card", 3) < 3', "True", "changed-input", "note#1", 1),
    ("changed", '("by-card", 3) < 3', '("by-card", 2) < 2', "older-code", "version:by-card", 1),
    ("updated", '@run.on_update("address")', '@run.on_update("place")', "unreadable-value", "update:address#1", 1),
    (
        "updated",
        "        return address\n\n    @run.on_query",
        '        return "?"\n\n    @run.on_query',
        "different-result",
        None,
        1,
    ),
    (
        "updated",
        "    def read() -> str:\n        return address",
        '    def read() -> str:\n        return "?"',
        "same",
        None,
        0,
    ),
    ("rolled_back", "run.options(undo=refund).step", "run.step", "missing-step", None, 1),
    ("parent", "run.child(child, number)", "run.child(child, 0)", "changed-input", "child#1", 1),
    ("parent", "run.child(child, number), ", "", "missing-step", "child#1", 1),
    ("mapped", 'f"part {n}"', 'f"piece {n}"', "changed-input", "note#1[0]", 1),
    ("mapped", "range(number)", "range(number - 1)", "missing-step", "note#1[1]", 1),
    ("spread", "map(ship", "map(charge", "new-step", "charge#1[0]", 1),
    ("restarted", "run.restart(number + 1)", "run.restart(0)", "different-result", None, 1),
    ("failing", '"no parcel"', '"nothing"', "different-result", None, 1),
    ("failing", 'await run.step(note, "failed")', "number += 1", "missing-step", "note#1", 1),
]


@pytest.mark.parametrize(("name", "old", "new", "outcome", "step", "number"), EDITS)
def test_edit_is_found_with_its_step(
    project: Project, name: str, old: str, new: str, outcome: str, step: str | None, number: int
) -> None:
    """In the journals of that automation alone, and nothing else is reported."""
    head, mark, rest = CODE.partition(f"async def {name}")
    if name == "rolled":
        head, mark, rest = CODE.partition("async def rolled_2")
    assert old in rest
    code = head + mark + rest.replace(old, new, 1)
    report = replay(project, code, exit_code=9 if number else 0)
    assert report["replayed"] == RUNS
    if not number:
        assert report["differences"] == []
        return
    (group,) = report["differences"]
    assert (group["automation"], group["outcome"], group["number"]) == (name, outcome, number), group
    first = group["differences"][0]
    assert first["step"] == step or step is None
    if outcome in ("changed-input", "new-step"):
        assert "work.py:" in first["place"]
        assert f" in {'rolled_2' if name == 'rolled' else name}" in first["place"]
    assert group["fix"]


def test_changed_input_has_the_parts_that_differ(project: Project) -> None:
    """As text, too: a sentence with the line, the part, the runs and what to do."""
    code = CODE.replace("run.step(charge, number)", "run.step(charge, number + 1)", 1)
    report = replay(project, code, "--name", "plain", exit_code=9)
    assert [row["automation"] for row in report["automations"]] == ["plain"]
    assert report["differences"][0]["differences"][0]["changes"][0]["path"] == "$.amount"
    printed = project.call("test", "replay", "--name", "plain", code=9)
    lines = printed.stdout.splitlines()
    place = lines.index("plain: changed-input, 2 journals")
    assert lines[place + 1].startswith(
        "  the code requests the saved step 'charge' (charge#1) with another input (work.py:"
    )
    assert lines[place + 2].startswith("  $.amount: ")
    assert lines[place + 3].startswith("  runs: r_")
    assert lines[place + 4].startswith("  Fix: Undo the edit.")
    assert "1 the same, 2 different" in printed.stderr


def test_declared_edits_are_the_same(project: Project) -> None:
    """`was=` for a renamed step, and `gone=` for a removed one."""
    renamed = CODE.replace("run.step(ship, number)", 'run.options(name="send", was="ship").step(ship, number)', 1)
    assert replay(project, renamed, "--name", "plain", exit_code=0)["same"] == 3
    removed = CODE.replace('    await run.step(note, "charged")\n', "").replace(
        "@ms.workflow\nasync def waiting", '@ms.workflow(gone=["note"])\nasync def waiting'
    )
    assert replay(project, removed, "--name", "waiting", exit_code=0)["same"] == 1


@pytest.mark.parametrize(
    "line",
    [
        "import uuid; await run.step(note, str(uuid.uuid4()))",
        'await asyncio.gather(*(run.step(note, text) for text in {"a", "b", "c", "d", "e"}))',
        "import time; number = time.time_ns()",
    ],
)
def test_code_that_is_not_deterministic_is_reported_with_both_histories(project: Project, line: str) -> None:
    """Random numbers, the order of a set, the clock."""
    body = "async def plain(run: ms.Run, number: int) -> str:\n"
    code = CODE.replace(body, f"{body}    {line}\n")
    (group,) = replay(project, code, "--name", "plain", exit_code=9)["differences"]
    assert group["outcome"] == "not-deterministic"
    first, second = group["histories"]
    assert first != second
    assert "work.py:" in group["differences"][0]["place"]
    assert "replay 2:" in project.call("test", "replay", "--name", "plain", code=9).stdout


@pytest.mark.parametrize("line", ["import time; time.sleep(60)", "while True: pass"])
def test_code_that_blocks_is_cut_and_named_with_its_line(project: Project, line: str) -> None:
    """Two journals are cut, the rest of the automation is left out, and the others are replayed."""
    body = "async def plain(run: ms.Run, number: int) -> str:\n"
    code = CODE.replace(body, f"{body}    {line}\n")
    number = code[: code.index(line)].count("\n") + 1
    report = replay(project, code, "--timeout", "500ms", exit_code=9)
    blocked, left_out = report["differences"]
    assert (blocked["outcome"], blocked["number"]) == ("blocked", 2)
    assert blocked["differences"][0]["place"].endswith(f"work.py:{number} in plain")
    assert (left_out["outcome"], left_out["number"]) == ("not-replayed", 1)
    assert report["same"] == RUNS - 3


def test_calls_outside_of_a_step_are_refused(project: Project) -> None:
    """A replay has no network, so what follows is not compared."""
    body = "async def plain(run: ms.Run, number: int) -> str:\n"
    code = CODE.replace(body, f'{body}    import socket; socket.create_connection(("127.0.0.1", 9))\n')
    (group,) = replay(project, code, exit_code=9)["differences"]
    assert group["outcome"] == "not-replayed"
    assert "outside of a step" in group["differences"][0]["text"]
    assert "run.step" in group["fix"]


def test_replay_is_never_green_on_nothing(project: Project, journals: Path) -> None:
    """No run, no journal that can be replayed, or code that does not load."""
    done = project.call("test", "replay", "--name", "nothing", code=2)
    assert "nothing was replayed" in done.stderr
    assert "2026" not in project.call("test", "replay", "--since", "0s", code=2).stdout
    code = "import nothing_of_this_name\n" + CODE
    report = replay(project, code, exit_code=9)
    assert "nothing_of_this_name" in report["problems"][0]
    assert replay(project, "import os; os._exit(3)\n", exit_code=9)["problems"]
    assert replay(project, "", str(next(journals.glob("plain*.json"))), exit_code=2)["replayed"] == 0


def test_removed_automation_is_named_in_files_and_left_out_of_a_store(project: Project, journals: Path) -> None:
    """A store may have ended runs of it for years; a file was put there on purpose. An unfinished run always counts."""
    code = CODE.replace("@ms.workflow\nasync def plain", "async def plain")
    report = replay(project, code, exit_code=0)
    assert {row["automation"]: row["left_out"] for row in report["automations"]}["plain"] == 3
    (group,) = replay(project, code, str(journals), exit_code=9)["differences"]
    assert (group["outcome"], group["number"]) == ("not-replayed", 3)
    assert "no automation 'plain'" in group["differences"][0]["text"]
    renamed = CODE.replace("@ms.workflow\nasync def plain", '@ms.workflow(name="sale", was="plain")\nasync def plain')
    assert replay(project, renamed, "--name", "sale", exit_code=0)["same"] == 3
    (group,) = replay(project, CODE.replace("@ms.workflow\nasync def waiting", "async def waiting"), exit_code=9)[
        "differences"
    ]
    assert group["automation"] == "waiting"


def test_version_that_the_code_lacks_is_named(project: Project) -> None:
    """Its journals are not compared with another version."""
    code = CODE.replace('@ms.workflow(name="rolled", version=2, rollout=True)\n', "")
    (group,) = replay(project, code, exit_code=9)["differences"]
    assert (group["outcome"], group["version"], group["number"]) == ("not-replayed", 2, 1)
    assert "has version 1 of it, and the run has version 2" in group["differences"][0]["text"]


def test_options_choose_the_runs_of_a_store(project: Project, filled: Project) -> None:
    """`--last`, `--unfinished`, `--from`, and code that `-m` loads."""
    assert replay(project, CODE, "--last", "4", exit_code=0)["journals"] == 4
    assert [row["automation"] for row in replay(project, CODE, "--unfinished", exit_code=0)["automations"]] == [
        "waiting"
    ]
    project.store = str(project.folder / "none.db")
    (project.folder / "mainspring.toml").write_text("")
    assert replay(project, CODE, "--from", filled.store, "-m", "work.py", exit_code=0)["journals"] == RUNS
    assert "there is no store" in project.call("test", "replay", code=2).stderr
    assert "leave out --from" in project.call("test", "replay", "work.py", "--from", filled.store, code=2).stderr


def test_files_that_cannot_be_replayed_are_named(project: Project, journals: Path, tmp_path: Path) -> None:
    """Absent, of another form, of a newer version, the same run twice, an empty folder; without a large value or a file."""
    source = next(journals.glob("plain*.json"))
    document = json.loads(source.read_text())
    (tmp_path / "empty").mkdir()

    def write(name: str, **changes: Any) -> str:
        (tmp_path / name).write_text(json.dumps({**document, **changes}))
        return name

    cases = {
        "none.json": "none.json: No such file",
        "work.py": "this is no exported run",
        write("newer.json", format=99): "has format 99",
        "empty": "has no file *.json",
    }
    for name, words in cases.items():
        assert words in project.call("test", "replay", name, code=2).stderr, name
    twin = write("twin.json", run={**document["run"], "input": {"number": 99}})
    assert "the same run" in project.call("test", "replay", str(source), twin, code=2).stderr
    large = {**document["outcomes"][0], "output": {"blob": "00", "size": 9}}
    file = {**document["outcomes"][0], "output": {"type": "mainspring.FileRef", "name": "a", "size": 1}}
    for outcome, words in ((large, "a large value"), (file, "a file (ms.FileRef)")):
        name = write("absent.json", outcomes=[outcome, *document["outcomes"][1:]])
        done = project.call("test", "replay", name, code=2)
        assert f"{words} was not exported" in done.stdout


def test_redacted_secret_is_a_text_like_any_other(project: Project, journals: Path, tmp_path: Path) -> None:
    """It is the same in the saved output of one step and in the saved input of the next."""
    code = CODE.replace(
        "return await run.step(ship, number)", "return await run.step(ship, await run.step(charge, 1))", 1
    )
    document = json.loads(next(journals.glob("plain*.json")).read_text())
    document["run"]["result"] = document["outcomes"][1]["output"] = "***"
    (tmp_path / "redacted.json").write_text(json.dumps(document))
    assert replay(project, CODE, "redacted.json", exit_code=0)["same"] == 1
    assert replay(project, code, "redacted.json", exit_code=9)["same"] == 0


def test_export_has_all_that_a_replay_needs(journals: Path) -> None:
    """Its form, the version of Mainspring, the definition with the names of its environment, and unfinished children."""
    document = json.loads(next(journals.glob("parent*.json")).read_text())
    assert (document["format"], document["unfinished_children"], document["is_declared_done"]) == (2, [], False)
    assert document["mainspring"]
    assert (document["definition"]["name"], document["definition"]["version"]) == ("parent", 1)


SEALED = """
import mainspring as ms

async def charge(amount: int) -> int:
    return amount

@ms.workflow
async def order(run: ms.Run, number: int) -> str:
    await run.step(charge, number)
    return f"done {number}"
"""


def test_sealed_runs_need_the_codec(tmp_path: Path) -> None:
    """With it they are replayed, without it nothing is; nor are those that were exported without it."""
    (tmp_path / "sealing_codec.py").write_text(Path(__file__).with_name("sealing_codec.py").read_text())
    project = Project(tmp_path, SEALED)
    codec: dict[str, Any] = {"MAINSPRING_STORE_CODEC": "sealing_codec:codec"}
    project.call("run", "order", "number=7", **codec)
    assert replay(project, SEALED, exit_code=0, **codec)["same"] == 1
    assert "keystream" in replay(project, SEALED, exit_code=2)["differences"][0]["differences"][0]["text"]
    (tmp_path / "sealed.json").write_text(project.call("runs", "export", "@last").stdout)
    assert "sealed by codec" in project.call("test", "replay", "sealed.json", code=2).stdout
    (tmp_path / "open.json").write_text(project.call("runs", "export", "@last", **codec).stdout)
    assert replay(project, SEALED, "open.json", exit_code=0)["same"] == 1


def test_store_on_a_server_is_replayed(tmp_path: Path, postgres: PostgresServer) -> None:
    """The processes with the code need no connection to it."""
    project = Project(tmp_path, CODE)
    project.store = postgres.new_store()
    fill(project)
    assert replay(project, CODE, exit_code=0)["same"] == RUNS
    project.store, store = str(tmp_path / "none.db"), project.store
    changed = CODE.replace("run.step(charge, number)", "run.step(charge, number + 1)", 1)
    assert replay(project, changed, "--from", store, exit_code=9)["same"] == RUNS - 2
