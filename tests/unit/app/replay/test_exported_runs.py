"""Exported runs: what `runs export` prints is read back as a worker has it."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from mainspring.app.replay.exported_runs import read_exported_runs
from mainspring.domain.errors import ArgumentError
from mainspring.domain.failures.failure import Failure
from mainspring.domain.runs.journal import Outcome, OutcomeKind
from mainspring.domain.states import FailureReason, OutcomeState, RunState
from mainspring.domain.values.plain_json import to_plain_json
from mainspring.domain.values.sealing import Sealing
from mainspring.store.views import RunExport, RunView
from tests.acceptance.sealing_codec import codec

AT = 1_700_000_000_123


def write(folder: Path, name: str = "run.json", **more: Any) -> Path:
    """Write the export of a failed run with two outcomes, one of them superseded."""
    values: dict[str, Any] = dict.fromkeys(RunView.__struct_fields__)
    values |= {
        "seq": 1,
        "id": "r_1",
        "automation": "order",
        "kind": "workflow",
        "version": 3,
        "state": RunState.FAILED,
        "reason": "permanent_error",
        "queue": "default",
        "priority": 0,
        "tag": "",
        "claim": 2,
        "crashes": 0,
        "generation": 1,
        "rank": 2,
        "codec": "json",
        "input": b'{"b":1.0,"a":"x"}',
        "created_at": AT,
        "fresh": False,
        "started_at": AT + 1,
        "undoing": False,
        "detail": b'{"restarted_as":"r_2"}',
        "deadline_at": AT + 5,
        "failure": Failure(type="E", code="boom", message="no"),
        **more,
    }
    step = ("charge#1", "charge", OutcomeKind.STEP, OutcomeState.SUCCEEDED, 1, 1)
    outcomes = [
        Outcome(1, *step, 0, AT, AT, 1, b"{}", b"1", superseded=1),
        Outcome(2, *step, 1, AT, AT, 1, b"{}", b'{"started_at":5}'),
    ]
    export = RunExport(
        RunView(**values), outcomes, [], {}, [], [], [], [], [], [], [], renames={"old": "new", "gone": None}
    )
    (folder / name).write_bytes(msgspec.json.encode(to_plain_json(export)))
    return folder / name


def test_exported_run_is_read_back(tmp_path: Path) -> None:
    """Instants, values as the store has them, decisions on steps, superseded outcomes apart."""
    (run,) = read_exported_runs(write(tmp_path))
    saved = run.saved
    assert (saved.run.id, saved.run.version, saved.run.started_at, saved.run.deadline_at) == ("r_1", 3, AT + 1, AT + 5)
    assert (saved.run.input, saved.run.tag) == (b'{"a":"x","b":1.0}', None)
    assert (saved.state, saved.reason, saved.has_restarted) == (RunState.FAILED, FailureReason.PERMANENT_ERROR, True)
    assert saved.failure is not None
    assert saved.failure.message == "no"
    assert [outcome.rank for outcome in saved.history.outcomes] == [2]
    assert saved.history.outcomes[0].output == b'{"started_at":5}'
    assert [outcome.rank for outcome in saved.history.superseded] == [1]
    assert saved.history.renames == {"old": "new", "gone": None}
    assert (run.is_ended, run.sealed_by) == (True, None)


def test_exported_run_with_sealed_values_names_the_codec(tmp_path: Path) -> None:
    """In a value, and in the words of a failure."""
    sealing = Sealing(codec)
    (run,) = read_exported_runs(write(tmp_path, input=sealing.seal(b"{}")))
    assert run.sealed_by == "keystream"
    failure = sealing.seal_failure(Failure(type="E", code="boom", message="secret"))
    (run,) = read_exported_runs(write(tmp_path, failure=failure))
    assert run.sealed_by == "keystream"


def test_exported_runs_of_a_folder_are_its_json_files(tmp_path: Path) -> None:
    """Other files are ignored, and an empty folder is an error."""
    with pytest.raises(ArgumentError, match="no file"):
        read_exported_runs(tmp_path)
    write(tmp_path, "a.json")
    write(tmp_path, "b.json", id="r_2")
    (tmp_path / "notes.txt").write_text("x")
    assert [run.saved.run.id for run in read_exported_runs(tmp_path)] == ["r_1", "r_2"]


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"null", b'{"run": 1}', b'{"run": {}}', b'{"run": {"state": "flying"}}', b"[" * 5_000, b"\xff"],
)
def test_file_that_is_no_exported_run_is_rejected(tmp_path: Path, content: bytes) -> None:
    """The error names the file and the command that writes one."""
    (tmp_path / "bad.json").write_bytes(content)
    with pytest.raises(ArgumentError, match=r"bad\.json: this is no exported run") as rejected:
        read_exported_runs(tmp_path)
    assert "runs export" in (rejected.value.hint or "")
