"""A damaged store never looks well: each command that reads it ends with an error that names the file and the fix."""

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import apsw
import msgspec
import pytest

from mainspring.cli.commands import COMMAND_TREE
from mainspring.cli.lazy_group import GroupEntry
from mainspring.store.sqlite.damage import write_damage_note

COMMANDS = [
    *(name for name, entry in COMMAND_TREE.items() if not isinstance(entry, GroupEntry)),
    *(
        f"{name} {verb}"
        for name, entry in COMMAND_TREE.items()
        if isinstance(entry, GroupEntry)
        for verb in entry.verbs
    ),
]
NOT_READING = {
    *(
        "init",
        "add script",
        "add workflow",
        "dev",
        "up",
        "down",
        "drain",
        "exec",
        "once",
        "flag",
        "watch",
        "run",
        "crash",
        "test crash",
        "open",
    ),
    *(
        f"runs {verb}"
        for verb in ("retry", "cancel", "pause", "resume", "fork", "signal", "answer", "give-result", "update", "query")
    ),
    *(f"auto {verb}" for verb in ("pause", "resume", "retire", "backfill")),
    *("failed retry", "failed discard", "bulk pause", "bulk resume", "bulk stop", "triggers replay", "locks break"),
    *(f"rollout {verb}" for verb in ("start", "pause", "resume", "abort", "finish")),
    *(f"schedules {verb}" for verb in ("create", "change", "pause", "resume", "delete")),
    *("targets reset", "flags set", "flags kill", "flags delete"),
    *("incidents ack", "incidents snooze", "incidents resolve", "queues pause", "queues resume"),
    *(
        "workers drain",
        "workers quarantine",
        "notify test",
        "db migrate",
        "db backup",
        "db prune",
        "db move",
        "db move-blobs",
    ),
    *("effects forget", "effects confirm", "effects reconcile", "actions list", "actions show"),
    *(f"secrets {verb}" for verb in ("init", "set", "rotate", "remove", "get", "check")),
    *("tokens create", "tokens revoke", "completion", "version", "db shell", "docs list", "docs show"),
}
"""What changes something, needs no store or hands over to another program. Each other command is tried, a new one too."""
ARGUMENTS = {
    "runs show": ["@last"],
    "runs watch": ["@last", "--timeout", "1ms"],
    "runs logs": ["@last"],
    "runs diff": ["@last"],
    "runs export": ["@last"],
    "runs stream": ["@last"],
    "runs files": ["@last"],
    "auto show": ["backup"],
    "auto paths": ["order"],
    "bulk show": ["b_1"],
    "queues show": ["default"],
    "incidents show": ["i_1"],
    "effects show": ["invoice:1"],
    "flags show": ["new-checkout"],
    "flags history": ["new-checkout"],
    "schedules show": ["backup"],
    "schedules history": ["backup"],
    "monitors show": ["silence"],
    "triggers show": ["bot"],
    "triggers test": ["taken/event", "{}", "-m", "jobs.py"],
    "auto next": ["--all"],
    "explain": ["@last"],
    "db restore": ["--undecided"],
}
FORMS = {
    "db restore": [["--lost"]],
    "failed list": [["--messages"], ["--by", "error"]],
    "incidents list": [["--all"]],
    "status": [["--since", "8h"], ["--here"]],
    "auto list": [["--json"]],
    "runs list": [["--json"]],
}
READING = [
    [*name.split(), *arguments]
    for name in COMMANDS
    if name not in NOT_READING
    for arguments in [ARGUMENTS.get(name, []), *FORMS.get(name, [])]
]
JOBS = """
import mainspring as ms

@ms.on.event("paid")
@ms.task
def taken() -> None: ...
"""
FIXES = ("mainspring db restore", "--store")
ALL_IS_WELL = re.compile(
    "✓ healthy|otherwise healthy|no open incident|has no damage|no run failed|no runs\\.|no run has|no operations|no lock"
    "|no notification|is no bulk operation\\.|no broker|chain is complete",
    re.IGNORECASE,
)


def page_of(path: Path, table: str) -> tuple[int, int]:
    """Return where the first page of a table begins, and the size of a page."""
    connection = apsw.Connection(str(path))
    page = connection.execute("select rootpage from sqlite_schema where name = ?", (table,)).get
    size = connection.pragma("page_size")
    connection.close()
    return (page - 1) * size, size


def overwrite(path: Path, at: int, size: int) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(b"\xff" * size)


def spoil_page(table: str) -> Callable[[Path], None]:
    return lambda path: overwrite(path, *page_of(path, table))


def cut(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


def replace_by_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGES: dict[str, Callable[[Path], object]] = {
    "runs": spoil_page("runs"),
    "incidents": spoil_page("incidents"),
    "commits": spoil_page("commits"),
    "people": spoil_page("people"),
    "schema": lambda path: overwrite(path, 100, 400),
    "header": lambda path: overwrite(path, 0, 100),
    "truncated": cut,
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("this is a note, and no database\n" * 200),
    "folder": replace_by_folder,
}


@pytest.fixture
def damaged(stage, store_path: Path, request) -> Iterator[Path]:
    stage.begin()
    stage.store.close()
    for end in ("-wal", "-shm"):
        store_path.with_name(f"{store_path.name}{end}").unlink(missing_ok=True)
    DAMAGES[request.param](store_path)
    yield store_path
    if store_path.is_dir():
        shutil.rmtree(store_path)


@pytest.mark.parametrize("damaged", DAMAGES, indirect=True)
def test_no_command_calls_a_damaged_store_healthy(cli, damaged, folder):
    """It ends with another code than 0 and says which file is damaged and what to do, whichever page this command reads itself."""
    (folder / "jobs.py").write_text(JOBS)
    for words in READING:
        damaged.with_name(f"{damaged.name}.damaged").unlink(missing_ok=True)
        result = cli(*words)
        both = result.out + result.err
        assert result.code in ({1, 9} if damaged.is_file() else {2, 9}), (words, result)
        assert str(damaged) in both, (words, result)
        assert any(fix in both for fix in FIXES), (words, result)
        assert "Traceback" not in both, (words, result)
        assert "bug of Mainspring" not in both, (words, result)
        assert ALL_IS_WELL.search(both) is None, (words, result)


@pytest.mark.parametrize("damaged", ["people"], indirect=True)
def test_damage_of_a_large_store_counts_once_it_is_noted(cli, damaged, monkeypatch):
    """No command checks all of it; one that reads no damaged page answers, until a process has met the damage."""
    monkeypatch.setattr("mainspring.store.sqlite.check.SMALL", 0)
    listed = cli("incidents", "list")
    assert (listed.code, "damaged" in listed.err) == (0, False)
    write_damage_note(damaged, "database disk image is malformed")
    result = cli("incidents", "list")
    assert result.code == 1
    assert result.err.startswith(
        f"error: the store's file is damaged: database disk image is malformed\nat {damaged}\n"
    )
    assert result.err.endswith("To list the damage: mainspring db check\nThe readable part of the store has none.\n")


@pytest.mark.parametrize("damaged", ["people"], indirect=True)
def test_with_json_the_damage_is_the_one_error(cli, damaged):
    """An empty array alone would look healthy; what was read is printed all the same."""
    result = cli("incidents", "list", "--json")
    assert (result.code, result.json) == (1, [])
    assert msgspec.json.decode(result.err)["code"] == "store_damaged"
    result = cli("runs", "show", "r_none", "--json")
    assert (result.code, result.out, msgspec.json.decode(result.err)["code"]) == (1, "", "store_damaged")


@pytest.mark.parametrize("damaged", ["people"], indirect=True)
def test_operation_on_a_damaged_store_reports_the_damage_and_keeps_its_exit_code(cli, damaged):
    """It was committed: another code than 0 would invite to repeat it."""
    write_damage_note(damaged, "database disk image is malformed")
    result = cli("auto", "pause", "backup")
    assert (result.code, "the store's file is damaged" in result.err) == (0, True)


def test_a_note_that_a_whole_check_cannot_confirm_is_no_damage(cli, stage, store_path):
    """`db check` removes it, and says that nothing is wrong."""
    write_damage_note(store_path, "database disk image is malformed")
    assert cli("runs", "list").code == 1
    result = cli("db", "check")
    assert (result.code, "has no damage" in result.out) == (0, True)
    assert cli("runs", "list").code == 0


def test_no_command_calls_a_store_that_went_back_healthy(cli, stage, store_path):
    """Until a process that writes puts it on hold: which commits are missing, and the exit code of its error."""
    connection = apsw.Connection(str(store_path))
    connection.execute("pragma wal_checkpoint(truncate)")
    connection.close()
    copy = store_path.with_name("copy")
    shutil.copy(store_path, copy)
    stage.begin()
    stage.store.close()
    for end in ("-wal", "-shm"):
        store_path.with_name(f"{store_path.name}{end}").unlink(missing_ok=True)
    copy.replace(store_path)
    for words in (["incidents", "list"], ["db", "check"], ["failed", "list"], ["runs", "show", "@last"]):
        result = cli(*words)
        assert (result.code, ALL_IS_WELL.search(result.out + result.err)) == (75, None), result
        assert result.err.startswith("error: the store went back in time: "), result
        assert "mainspring db restore --undecided" in result.err
