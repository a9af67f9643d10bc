"""Git actions keep the contract of actions: the remote has each commit once, and no killed call blocks the next one."""

import pytest

from mainspring.actions.files.temporary import temporary_name
from mainspring.actions.git.push import _Push
from mainspring.testing import ActionContract
from tests.unit.actions.git import git_steps
from tests.unit.actions.git.conftest import TOKEN, run_git, serving_repositories
from tests.unit.actions.kills import TIMEOUT_S, check_contract

pytestmark = [pytest.mark.slow, pytest.mark.timeout(TIMEOUT_S)]


def test_push_keeps_the_contract(other, remote, tmp_path, monkeypatch):
    """All calls use one checkout, which a killed one leaves as it is."""
    folder = tmp_path / "store"
    folder.mkdir()
    monkeypatch.setenv(git_steps.REMOTE, str(remote))
    monkeypatch.setenv(git_steps.FOLDER, str(tmp_path / "checkout"))
    contract = ActionContract(
        git_steps.publish,
        args=lambda number: [number],
        effects=lambda number: other.subjects().count(f"Report {number}"),
        failpoints=["git.committed", "git.pushed"],
        lines_of=_Push.run,
    )
    check_contract(contract, folder)
    assert run_git(remote, "fsck", "--connectivity-only") == ""


def test_checkout_keeps_the_contract(other, remote, tmp_path, monkeypatch):
    """The folder has a complete checkout, or is not there."""
    folder, data = tmp_path / "store", tmp_path / "data"
    folder.mkdir()
    data.mkdir()
    run_git(remote, "update-server-info")
    monkeypatch.setenv(git_steps.FOLDER, str(data))

    def count(number):
        path = data / str(number)
        assert not path.exists() or (path / "a.txt").read_text() == "a\n"
        return int(path.exists())

    with serving_repositories(tmp_path) as base:
        monkeypatch.setenv(git_steps.REMOTE, f"{base}/{remote.name}")
        contract = ActionContract(
            git_steps.clone,
            args=lambda number: [number],
            effects=count,
            failpoints=["git.moving", "git.cloned", "git.published"],
            temporary=lambda: sum((data / temporary_name(path.name, "folder")).exists() for path in data.iterdir()),
            secrets=[TOKEN],
            environment={"MAINSPRING_SECRET_GIT": f"ann:{TOKEN}"},
        )
        check_contract(contract, folder)
