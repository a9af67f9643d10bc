"""The git hook that `make setup` installs refuses a subject that no list of commits could be read by."""

import subprocess
from pathlib import Path

import pytest

HOOK = Path(__file__).resolve().parent.parent / ".githooks" / "commit-msg"


def refusal(folder: Path, message: str) -> str:
    """Return what the hook says of a message; "" = it accepts it."""
    file = folder / "message"
    file.write_text(message, encoding="utf-8")
    done = subprocess.run([HOOK, file], capture_output=True, text=True, check=False)
    assert (done.returncode == 0) is (done.stderr == "")
    return done.stderr


@pytest.mark.parametrize(
    "subject", ["store: keep claim order", "store, engine: name runs", "Merge branch 'x'", 'Revert "store: x"']
)
def test_subject_with_a_component_is_accepted(tmp_path, subject):
    """And so is what git writes itself."""
    assert refusal(tmp_path, f"{subject}\n\nThe reason.\n") == ""


@pytest.mark.parametrize(
    ("subject", "reason"),
    [("Keep claim order", "no component"), ("store:", "no component"), (f"store: {'x' * 66}", "73")],
)
def test_subject_without_a_component_or_too_long_is_refused(tmp_path, subject, reason):
    """With what is wrong."""
    assert reason in refusal(tmp_path, subject)
