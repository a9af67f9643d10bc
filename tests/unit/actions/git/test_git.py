"""Git actions: a commit is pushed once, conflicts are clear, and nothing that a repository or a caller writes runs a program."""

import functools
import os

import pytest

import mainspring as ms
from mainspring.actions import git
from mainspring.actions.git.push import _Push
from mainspring.actions.git.repository import _LOCK, MOVE, Repository
from mainspring.domain.errors import ArgumentError, ConfigError, OptionError, UnknownOptionError
from tests.unit.actions.git.conftest import TOKEN, run_git, serving_repositories


@pytest.fixture
def folder(other, remote, tmp_path):
    """A checkout."""
    path = tmp_path / "checkout"
    git.checkout(str(remote), path)
    return path


def status(folder):
    return run_git(folder, "status", "--short", "--branch").replace("...origin/main", "")


def test_checkout_follows_branch_tag_and_commit(other, remote, folder, tmp_path):
    """A second call changes nothing."""
    first = run_git(folder, "rev-parse", "HEAD")
    assert git.checkout(str(remote), folder) == git.GitCheckout(
        str(folder), first, "main", is_new=False, is_changed=False
    )
    run_git(remote, "tag", "v1", "main")
    second = other.push("b.txt", "b")
    other.push("c.txt", "c", branch="feature/x")
    assert git.checkout(str(remote), folder).commit == second
    assert (folder / "b.txt").read_text() == "b"
    found = git.checkout(f"file://{remote}", tmp_path / "new" / "checkout", ref="feature/x", make_folders=True)
    assert (found.branch, found.is_new) == ("feature/x", True)
    for ref in ("v1", first):
        assert git.checkout(str(remote), folder, ref=ref).commit == first
        assert not (folder / "b.txt").exists()
    with pytest.raises(git.GitActionError, match=r"no branch, tag or commit 'nine'\nList them: git ls-remote"):
        git.checkout(str(remote), folder, ref="nine")


def test_local_changes_are_dropped_only_on_request(other, remote, folder, tmp_path):
    """The error names them; a commit that is not at the remote is a change, too."""
    (folder / "a.txt").write_text("mine")
    (folder / "new.txt").write_text("new")
    with pytest.raises(git.GitActionError, match=r"local changes: a\.txt, new\.txt\nPush them"):
        git.checkout(str(remote), folder)
    run_git(folder, "add", "-A")
    run_git(folder, "commit", "-q", "-m", "mine")
    with pytest.raises(git.GitActionError, match="commits that are not at"):
        git.checkout(str(remote), folder)
    with pytest.raises(git.GitActionError, match="commits that the branch 'main'"):
        git.push(folder, "Mine")
    git.checkout(str(remote), folder, discard=True)
    assert (status(folder), (folder / "a.txt").read_text()) == ("## main", "a\n")
    with pytest.raises(git.GitActionError, match="checkout of another repository"):
        git.checkout(str(tmp_path / "elsewhere.git"), folder)


def test_branch_that_the_remote_has_deleted_is_an_error(other, remote, folder):
    """Although the checkout still has it; neither is another name of Git a ref."""
    other.push("c.txt", "c", branch="release")
    git.checkout(str(remote), folder, ref="release")
    git.checkout(str(remote), folder)
    run_git(remote, "branch", "-D", "release")
    for ref in ("release", "FETCH_HEAD"):
        with pytest.raises(git.GitActionError, match="has no branch, tag or commit"):
            git.checkout(str(remote), folder, ref=ref, discard=True)


def test_path_that_cannot_be_committed_is_an_error(folder):
    """One that is not there, and one that is ignored; trying again would not help."""
    (folder / ".gitignore").write_text("*.log\n")
    (folder / "a.log").write_text("log")
    for name in ("nowhere", "a.log"):
        with pytest.raises(git.GitActionError, match=rf"{name}.*\nCheck paths=") as caught:
            git.push(folder, "Mine", paths=[name])
        assert not isinstance(caught.value, ms.NotSent)


def test_push_has_one_commit_for_its_key(other, remote, folder, ledger):
    """The second call with the key pushes nothing; without changes there is nothing to push; ignored files stay."""
    (folder / ".gitignore").write_text("*.log\n")
    (folder / "a.log").write_text("log")
    (folder / "-n.txt").write_text("n")
    (folder / "later.txt").write_text("later")
    call = functools.partial(git.push, folder, "Add n\n\nWith a body", paths=[".gitignore", "-n.txt"], once="push:n")
    first = call(author="Ann Lee <ann@example.com>")
    assert (first.is_new, other.subjects(), status(folder)) == (True, ["Add n", "other a.txt"], "## main\n?? later.txt")
    assert run_git(remote, "log", "-1", "--format=%an <%ae>|%cn", "main") == "Ann Lee <ann@example.com>|Ann Lee"
    assert run_git(remote, "log", "-1", "--format=%(trailers:key=Mainspring-Key,valueonly)", "main").startswith("e_")
    (folder / "-n.txt").write_text("changed")
    assert call() == first
    assert git.push(folder, "Add the rest").is_new
    again = git.push(folder, "Nothing")
    assert (again.is_new, len(other.subjects())) == (False, 3)
    assert run_git(remote, "ls-tree", "--name-only", "main").split("\n") == [
        "-n.txt",
        ".gitignore",
        "a.txt",
        "later.txt",
    ]


def test_moved_branch_gets_the_commit_on_top(other, remote, folder, monkeypatch):
    """Also if it moves between the question and the push; the checkout has both changes afterwards."""
    send = _Push._send

    def move_first(self, commit):
        monkeypatch.setattr(_Push, "_send", send)
        other.push("c.txt", "c")
        return send(self, commit)

    monkeypatch.setattr(_Push, "_send", move_first)
    other.push("b.txt", "b")
    (folder / "mine.txt").write_text("mine")
    assert git.push(folder, "Mine").is_new
    assert other.subjects() == ["Mine", "other c.txt", "other b.txt", "other a.txt"]
    assert (status(folder), (folder / "c.txt").read_text()) == ("## main", "c")
    other.push("theirs.txt", "same")
    (folder / "theirs.txt").write_text("same")
    assert not git.push(folder, "The same change").is_new
    assert status(folder) == "## main"


def test_moved_branch_updates_the_checkout_after_a_push_of_some_paths(other, remote, folder):
    """So that the next update finds no local changes."""
    other.push("a.txt", "theirs")
    (folder / "mine.txt").write_text("mine")
    assert git.push(folder, "Mine", paths=["mine.txt"]).is_new
    assert (status(folder), (folder / "a.txt").read_text()) == ("## main", "theirs")


def test_conflict_names_the_files_and_pushes_nothing(other, remote, folder):
    """The changes stay in the checkout."""
    other.push("a.txt", "theirs")
    (folder / "a.txt").write_text("mine")
    with pytest.raises(git.GitConflictError, match=r"other changes of the same lines: a\.txt\nUpdate the checkout"):
        git.push(folder, "Mine")
    assert (other.read("a.txt"), (folder / "a.txt").read_text()) == ("theirs", "mine")
    assert git.push(folder, "Mine", branch="mine/a").is_new
    assert other.read("a.txt", "mine/a") == "mine"


def test_empty_remote_gets_its_first_commit(remote, tmp_path):
    """Without a file there is nothing to commit."""
    folder = tmp_path / "checkout"
    assert git.checkout(str(remote), folder).commit == ""
    with pytest.raises(git.GitActionError, match="nothing to commit"):
        git.push(folder, "First", branch="main")
    (folder / "a.txt").write_text("a")
    assert git.push(folder, "First", branch="main").is_new
    assert run_git(remote, "show", "main:a.txt") == "a"


def test_refusal_of_the_remote_is_an_error(remote, folder):
    """With what its hook says."""
    hook = remote / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho 'main is frozen' >&2\nexit 1\n")
    hook.chmod(0o755)
    (folder / "a.txt").write_text("mine")
    with pytest.raises(git.GitActionError, match=r"refuses the push to 'main'.*main is frozen"):
        git.push(folder, "Mine")


def test_lost_answer_is_searched_for_at_the_remote(other, folder, ledger, monkeypatch):
    """The push is there, and Git was killed before it read that: the next call finds its key."""
    send = _Push._send

    def lose(self, commit):
        assert send(self, commit)
        raise git.GitPushUnknownError("no answer")

    monkeypatch.setattr(_Push, "_send", lose)
    (folder / "mine.txt").write_text("mine")
    with pytest.raises(git.GitPushUnknownError):
        git.push(folder, "Mine", once="push:mine")
    monkeypatch.setattr(_Push, "_send", send)
    other.push("b.txt", "b")
    pushed = git.push(folder, "Mine", once="push:mine")
    assert (pushed.is_new, other.subjects()) == (True, ["other b.txt", "Mine", "other a.txt"])
    assert status(folder) == "## main"


def test_push_that_takes_too_long_is_searched_for_at_the_remote(other, folder, ledger, monkeypatch):
    """It may have reached the remote, so that it is not proof that nothing was pushed."""
    run = Repository.try_run

    def lose(self, *words, **options):
        output = run(self, *words, **options)
        if words[0] == "push":
            raise git.GitUnavailableError("git push took longer than 10m")
        return output

    (folder / "mine.txt").write_text("mine")
    with monkeypatch.context() as patch:
        patch.setattr(Repository, "try_run", lose)
        with pytest.raises(git.GitPushUnknownError, match="took longer"):
            git.push(folder, "Mine", once="push:mine")
    assert git.push(folder, "Mine", once="push:mine").is_new
    assert other.subjects() == ["Mine", "other a.txt"]


def test_half_checkout_is_not_pushed(other, remote, folder):
    """A call that was killed on its way to an older commit has deleted a file; the next checkout finishes it."""
    first = run_git(folder, "rev-parse", "HEAD")
    other.push("b.txt", "b")
    git.checkout(str(remote), folder)
    (folder / ".git" / _LOCK).write_text(f"{MOVE}{first}")
    (folder / "b.txt").unlink()
    for _ in range(2):
        with pytest.raises(git.GitActionError, match=r"is incomplete.*\nCall git\.checkout"):
            git.push(folder, "Mine", branch="main")
    assert other.read("b.txt") == "b"
    git.checkout(str(remote), folder)
    assert (folder / "b.txt").read_text() == "b"


def test_call_after_a_kill_finishes_its_work(other, remote, folder):
    """It removes the lock files and completes the half checkout; a lock file of another program is an error that passes."""
    commit = other.push("b.txt", "b")
    run_git(folder, "fetch", "-q", "origin")
    (folder / ".git" / "index.lock").write_text("")
    with pytest.raises(git.GitUnavailableError, match=r"index\.lock"):
        git.checkout(str(remote), folder)
    (folder / ".git" / _LOCK).write_text(f"{MOVE}{commit}")
    (folder / "b.txt").write_text("half")
    found = git.checkout(str(remote), folder)
    assert (found.commit, status(folder), (folder / "b.txt").read_text()) == (commit, "## main", "b")
    assert (folder / ".git" / _LOCK).read_text() == ""


@pytest.mark.parametrize(
    "setting",
    [
        *("core.sshCommand", "core.fsmonitor", "filter.x.clean", "remote.origin.uploadpack", "include.path", "alias.x"),
        *("gc.recentObjectsHook", "url.x.insteadOf", "core.worktree", "credential.helper", "merge.x.driver"),
    ],
)
def test_configuration_that_could_run_a_program_is_refused(remote, folder, tmp_path, setting):
    """Before anything of it runs."""
    canary = tmp_path / "canary"
    run_git(folder, "config", "--file", ".git/config", setting, f"touch {canary}")
    (folder / ".gitattributes").write_text("* filter=x\n")
    for call in (lambda: git.checkout(str(remote), folder, discard=True), lambda: git.push(folder, "Mine")):
        with pytest.raises(git.GitActionError, match=rf"does not allow: {setting.lower()}"):
            call()
    assert not canary.exists()


def test_hooks_of_the_checkout_and_of_the_user_do_not_run(other, remote, folder, tmp_path, monkeypatch):
    """Nor does anything that the configuration of the user names."""
    canary = tmp_path / "canary"
    script = f"#!/bin/sh\ntouch {canary}\n"
    home = tmp_path / "home"
    (home / "hooks").mkdir(parents=True)
    for place in (folder / ".git" / "hooks", home / "hooks"):
        place.mkdir(exist_ok=True)
        for name in ("post-checkout", "pre-push", "pre-commit", "reference-transaction", "post-index-change"):
            (place / name).write_text(script)
            (place / name).chmod(0o755)
    (home / ".gitconfig").write_text(f"[core]\n hooksPath = {home}/hooks\n fsmonitor = touch {canary}\n")
    other.push("b.txt", "b")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nowhere"))
    git.checkout(str(remote), folder)
    (folder / "a.txt").write_text("mine")
    git.push(folder, "Mine")
    assert not canary.exists()


@pytest.mark.parametrize(
    "url",
    [
        *("--upload-pack=touch canary", "-u", "ext::sh -c touch% canary", "fd::17", "http://", "ftp://example.com/a"),
        *("ssh://-oProxyCommand=touch/a", "ssh://-l@example.com/a", "host:-a", "example", "https://a b/", "a\nb", ""),
        *("https://ann:canary7@example.com/a", "https://canary7@example.com/a", "ssh://ann:canary7@example.com/a"),
    ],
)
def test_addresses_that_are_none_are_refused(tmp_path, url):
    """And no password is repeated."""
    with pytest.raises(ArgumentError) as caught:
        git.checkout(url, tmp_path / "a")
    assert "canary7" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_arguments_are_checked(remote, folder, monkeypatch):
    """Each error names the argument."""
    for name in ("-x", "a..b", "HEAD", "a.lock", "a b", "@{-1}", "refs/heads/*", ""):
        with pytest.raises(ArgumentError):
            git.checkout(str(remote), folder, ref=name)
        with pytest.raises(ArgumentError):
            git.push(folder, "Mine", branch=name)
    for call in (
        lambda: git.push(folder, " "),
        lambda: git.push(folder, "Mine", author="Ann"),
        lambda: git.push(folder, "Mine", paths=["../a"]),
    ):
        with pytest.raises(ArgumentError):
            call()
    with pytest.raises(git.GitActionError, match=r"no folder \.git"):
        git.push(folder.parent, "Mine")
    with pytest.raises(UnknownOptionError, match="Did you mean 'once'"):
        git.push(folder, "Message", onec="a")
    with pytest.raises(UnknownOptionError, match="credentails"):
        git.push(folder, "Mine", credentails="secret:A")
    with pytest.raises(OptionError, match="needs an address with https://"):
        git.push(folder, "Mine", credentials="secret:A")
    with pytest.raises(OptionError, match="needs once="):
        git.push(folder, "Mine", within="1h")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(git.GitActionError, match="Git is not installed"):
        git.checkout(str(remote), folder)


def test_credentials_are_sent_to_their_host_only(other, remote, tmp_path, monkeypatch):
    """A wrong token, a secret without a colon and a redirect to another host are errors without the token."""
    run_git(remote, "update-server-info")
    with serving_repositories(tmp_path) as base:
        monkeypatch.setenv("MAINSPRING_SECRET_GIT", f"ann:{TOKEN}")
        found = git.checkout(f"{base}/remote.git", tmp_path / "http", credentials="secret:GIT")
        assert found.is_new
        assert TOKEN not in (tmp_path / "http" / ".git" / "config").read_text()
        (tmp_path / "http" / "a.txt").write_text("mine")
        with pytest.raises(git.GitActionError, match="Check the secret of credentials="):
            git.push(tmp_path / "http", "Without the right to push", credentials="secret:GIT")
        with pytest.raises(git.GitActionError, match="Write its new address") as moved:
            git.checkout(f"{base}/moved/remote.git", tmp_path / "moved", credentials="secret:GIT")
        monkeypatch.setenv("MAINSPRING_SECRET_GIT", f"ann:{TOKEN}x")
        with pytest.raises(git.GitActionError, match="Check the secret of credentials=") as refused:
            git.checkout(f"{base}/remote.git", tmp_path / "http2", credentials="secret:GIT")
        monkeypatch.setenv("MAINSPRING_SECRET_GIT", TOKEN)
        with pytest.raises(ConfigError, match="USER:TOKEN"):
            git.checkout(f"{base}/remote.git", tmp_path / "http2", credentials="secret:GIT")
    assert TOKEN not in f"{moved.value}{refused.value}"
    with pytest.raises(git.GitUnavailableError, match="cannot clone") as caught:
        git.checkout(f"{base}/remote.git", tmp_path / "http3")
    assert isinstance(caught.value, ms.NotSent)
    assert sorted(os.listdir(tmp_path)) == ["http", "other", "remote.git"]
