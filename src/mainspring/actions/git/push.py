"""Commit and push once: the commit has the key of its effect, by which it is found at the remote.

Invariants: the commit is built without the checkout, so that a killed call leaves neither a lock nor a commit that another call would
push; the checkout changes only after the push, and a failure of that is no failure of the push.
"""

import contextlib
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Unpack

import msgspec

from mainspring.actions.base.calling_thread import in_thread, refuse_event_loop
from mainspring.actions.base.effect_result import read_effect_result
from mainspring.actions.base.sent_once import make_key
from mainspring.actions.files.place import FilePath, RootPath, read_target
from mainspring.actions.git.git_errors import (
    GitActionError,
    GitConflictError,
    GitPushUnknownError,
    GitUnavailableError,
    format_output,
    make_git_error,
)
from mainspring.actions.git.git_remote import GitOptions, read_ref, read_remote
from mainspring.actions.git.repository import DEFAULT_TIMEOUT, MOVE, Repository, read_origin, require_git
from mainspring.app.action import effect_of_action
from mainspring.domain.duration import SpanInput
from mainspring.domain.errors import ArgumentError, OptionError
from mainspring.domain.text.escaping import escape
from mainspring.store import failpoints
from mainspring.triggers.files.folder import printable_path

TRAILER = "Mainspring-Key"
_AUTHOR = re.compile(r"([^<>\0-\x1f]{1,200}) <([^<>\s\0]{1,200})>")
_DEFAULT_AUTHOR = "Mainspring <mainspring@localhost>"
_TRIES = 5
_MOVED = re.compile(r"fetch first|non-fast-forward|stale info|cannot lock ref|failed to update ref|incorrect old value")
_MAX_LISTED = 10


class GitPush(msgspec.Struct, frozen=True):
    """The end of a push: the commit that the branch has. `is_new` = False if there was nothing to commit."""

    commit: str
    branch: str
    is_new: bool


def push(
    folder: FilePath,
    message: str,
    *,
    paths: Sequence[str] | None = None,
    branch: str | None = None,
    author: str = _DEFAULT_AUTHOR,
    root: RootPath = None,
    once: str | None = None,
    within: SpanInput | None = None,
    **options: Unpack[GitOptions],
) -> GitPush:
    """Commit the changes of a checkout and push the commit to its remote.

    `paths` = only the changes of these files and folders (default: all that are not ignored). `branch` = of the remote (default: the one
    that is checked out). `author` = "NAME <MAIL>". If the branch has moved, the commit is put on top of it.

    Safe to run twice because the ledger records the push under `once=`, in a step under the key of the step. The commit has its idempotency
    key in the trailer Mainspring-Key. If the outcome is unknown, the branch of the remote is searched for that key.

    Example:
        git.push("work/site", "Publish the report", paths=["reports"], once=f"report:{day}")

    Raises:
        GitConflictError: the branch has other changes of the same lines. Nothing was pushed.
        GitActionError: Git or the remote refuses it. GitUnavailableError: nothing was pushed; a retry can help.
        GitPushUnknownError: the connection was lost; the next call asks the remote.
        ArgumentError, OptionError, ConfigError: an argument cannot be used.
    """
    refuse_event_loop("git.push")
    if within is not None and once is None:
        raise OptionError("within= of git.push needs once=", hint='Name the effect: once="report:2026-01-05".')
    path = read_target(folder, root).absolute
    require_git()
    remote = read_remote("git.push", read_origin(path), options)
    repository = Repository(path, remote, options.get("timeout", DEFAULT_TIMEOUT))
    name = repository.read_branch() if branch is None else read_ref(branch, "branch")
    pushing = _Push(repository, name, _read_message(message), _read_paths(paths), _read_author(author))
    identity = {"remote": remote.url, "branch": name, "message": message}

    def find() -> GitPush | None:
        assert effect is not None
        return pushing.find(effect.idempotency_key)

    effect = effect_of_action("git.push", once=once, within=within, identity=identity, check=find)
    if effect is None:
        return pushing.run(make_key())

    def read(data: bytes | None) -> GitPush:
        assert effect is not None
        return GitPush("", "", is_new=False) if data is None else read_effect_result(effect.key, data, GitPush)

    pushed: GitPush = effect.call(lambda: pushing.run(effect.idempotency_key), read)
    return pushed


push_async = in_thread(push)


def _read_message(message: object) -> str:
    if not isinstance(message, str) or not message.strip() or "\0" in message:
        raise ArgumentError("the message of the commit is empty, or no text", hint='Write git.push(folder, "Add it").')
    return message.strip()


def _read_paths(paths: Sequence[str] | None) -> list[str] | None:
    if paths is None:
        return None
    found = [paths] if isinstance(paths, str) else [os.fspath(path) for path in paths]
    for path in found:
        if not path or path.startswith("/") or ".." in path.split("/") or "\0" in path:
            raise ArgumentError(
                f"{printable_path(path)!r} of paths= is not a path in the checkout",
                hint='Write such as paths=["data"].',
            )
    return found


def _read_author(author: str) -> dict[str, str]:
    match = _AUTHOR.fullmatch(author)
    if match is None:
        raise ArgumentError(f"author={escape(str(author), 100)!r} is not NAME <MAIL>")
    return {
        f"GIT_{role}_{kind}": match[number]
        for role in ("AUTHOR", "COMMITTER")
        for number, kind in ((1, "NAME"), (2, "EMAIL"))
    }


class _Commit(NamedTuple):
    """A commit that is in no branch: `head` = its parent, "" without one; `index_file` has its index."""

    id: str
    tree: str
    head: str
    index_file: Path


class _Push:
    """One push of a checkout."""

    def __init__(
        self, repository: Repository, branch: str, message: str, paths: list[str] | None, author: dict[str, str]
    ) -> None:
        self._repository = repository
        self._branch = branch
        self._message = message
        self._paths = paths
        self._author = author

    def find(self, key: str) -> GitPush | None:
        """Return the push with this key, None if the remote does not have it."""
        with self._lock():
            base = self._fetch()
            found = self._find_commit(base, key)
            if found is None:
                return None
            with contextlib.suppress(GitActionError, GitUnavailableError):
                self._update_checkout(self._make_commit(base, key), base)
            return GitPush(found, self._branch, is_new=True)

    def run(self, key: str) -> GitPush:
        """Commit and push."""
        with self._lock():
            base = self._fetch()
            commit = self._make_commit(base, key)
            for _ in range(_TRIES):
                new = self._place_on(base, commit, key)
                if new == base:
                    self._update_checkout(commit, new)
                    return GitPush(new, self._branch, is_new=False)
                failpoints.hit("git.committed")
                if self._send(new):
                    failpoints.hit("git.pushed")
                    self._update_checkout(commit, new)
                    return GitPush(new, self._branch, is_new=True)
                base = self._fetch()
        raise GitUnavailableError(
            f"the branch {self._branch!r} of {self._repository.remote.place} has moved {_TRIES} times during the push",
            hint="In a step the call is tried again.",
        )

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        """Lock the checkout. Raises GitActionError if a killed call has changed only a part of it: that is no change to commit."""
        with self._repository.lock() as interrupted:
            if interrupted.startswith(MOVE):
                raise GitActionError(
                    f"the checkout {self._repository.place} is incomplete: git.checkout was interrupted in it",
                    hint="Call git.checkout(url, folder) first: it finishes what was interrupted.",
                )
            yield

    def _fetch(self) -> str:
        """Return the commit of the branch at the remote, fetched; "" if there is no such branch."""
        run, url, name = self._repository.run, self._repository.remote.url, f"refs/heads/{self._branch}"
        listed = run("ls-remote", "--", url, name, verb="read")
        found = next((line.split("\t")[0] for line in listed.splitlines() if line.endswith(f"\t{name}")), "")
        if found and self._repository.try_run("cat-file", "-e", f"{found}^{{commit}}").code != 0:
            run("fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "--", url, name, verb="fetch")
        return found

    def _find_commit(self, base: str, key: str) -> str | None:
        if not base:
            return None
        text = f"--grep={TRAILER}: {key}"
        return self._repository.run("log", "-1", "--format=%H", "--fixed-strings", text, base, verb="search") or None

    def _make_commit(self, base: str, key: str) -> _Commit:
        """Return a commit of the changes; without changes it is HEAD itself."""
        run = self._repository.run
        head = self._repository.try_run("rev-parse", "--verify", "--quiet", "HEAD").text
        if base and (not head or self._repository.try_run("merge-base", "--is-ancestor", head, base).code != 0):
            raise GitActionError(
                f"the checkout {self._repository.place} has commits that the branch {self._branch!r} of "
                f"{self._repository.remote.place} does not have",
                hint="Push them yourself, or drop them: git.checkout(url, folder, discard=True)",
            )
        index = self._repository.git_folder / "mainspring.index"
        env = {"GIT_INDEX_FILE": str(index)}
        self._start_index(index, head, env)
        run("add", "--all", *(["--", *self._paths] if self._paths else []), verb="commit to", env=env)
        if not head and not run("ls-files", verb="read", env=env):
            raise GitActionError(
                f"the checkout {self._repository.place} has nothing to commit", hint="Write a file before the push."
            )
        tree = run("write-tree", verb="commit to", env=env)
        if head and tree == run("rev-parse", f"{head}^{{tree}}", verb="read"):
            return _Commit(head, tree, head, index)
        return _Commit(self._write_commit(tree, head, key), tree, head, index)

    def _start_index(self, index: Path, head: str, env: dict[str, str]) -> None:
        """Make the index of the commit: that of the checkout, which knows unchanged files, or with `paths` that of HEAD."""
        index.unlink(missing_ok=True)
        if self._paths is None:
            with contextlib.suppress(FileNotFoundError):
                shutil.copyfile(self._repository.git_folder / "index", index)
        elif head:
            self._repository.run("read-tree", head, verb="read", env=env)

    def _write_commit(self, tree: str, parent: str, key: str) -> str:
        words = ["commit-tree", tree, *(["-p", parent] if parent else [])]
        text = f"{self._message}\n\n{TRAILER}: {key}\n"
        return self._repository.run(*words, verb="commit to", env=self._author, stdin=text)

    def _place_on(self, base: str, commit: _Commit, key: str) -> str:
        """Return the commit to push: this one, or one with its changes on top of the branch; the branch itself if it has them.

        Raises:
            GitConflictError: the branch has other changes of the same lines.
        """
        if not base or base == commit.head:
            return commit.id
        merged = self._repository.try_run(
            *("merge-tree", "--write-tree", "--no-messages", "--name-only", "-z"),
            *(f"--merge-base={commit.head}", base, commit.id),
        )
        if merged.code not in (0, 1):
            raise GitActionError(f"cannot merge into {self._branch!r}: {format_output(merged.stderr)}")
        tree, *names = os.fsdecode(merged.stdout).strip("\0").split("\0")
        if merged.code == 1:
            listed = ", ".join(printable_path(name) for name in names[:_MAX_LISTED] if name)
            raise GitConflictError(
                f"the branch {self._branch!r} of {self._repository.remote.place} has other changes of the same lines: "
                f"{listed}",
                hint="Update the checkout, make the changes again, and push. Nothing was pushed.",
            )
        if tree.strip() == self._repository.run("rev-parse", f"{base}^{{tree}}", verb="read"):
            return base
        return self._write_commit(tree.strip(), base, key)

    def _send(self, commit: str) -> bool:
        """Push a commit; return False if the branch has moved since.

        Raises:
            GitActionError: the remote refuses it. GitPushUnknownError: the remote did not say what it did.
        """
        words = ("push", "--porcelain", "--no-verify", "--no-follow-tags", "--recurse-submodules=no", "--")
        reference = f"{commit}:refs/heads/{self._branch}"
        place = f"{self._branch!r} of {self._repository.remote.place}"
        try:
            pushed = self._repository.try_run(*words, self._repository.remote.url, reference)
        except GitUnavailableError as error:  # it took too long
            raise GitPushUnknownError(f"the push to {place} ended without an answer: {error.message}") from None
        if pushed.code == 0:
            return True
        refusal = next((line for line in pushed.text.splitlines() if line.startswith("!")), None)
        if refusal is None:
            own = "\n".join(line for line in pushed.stderr.splitlines() if not line.startswith("remote:"))
            problem = make_git_error("push to", place, own)
            if isinstance(problem, GitActionError):  # the remote refused the connection
                raise problem
        if refusal is None or "[remote failure]" in refusal:
            raise GitPushUnknownError(f"the push to {place} ended without an answer: {format_output(pushed.stderr)}")
        if _MOVED.search(refusal):
            return False
        reason = escape(refusal.rpartition("\t")[2], 200)
        raise GitActionError(
            f"the remote refuses the push to {place}: {reason}: {format_output(pushed.stderr)}",
            hint="Check the rules of the branch and the rights of the user, or push to another branch.",
        )

    def _update_checkout(self, commit: _Commit, new: str) -> None:
        """Let the checkout follow the branch. What cannot be updated stays as a local change."""
        repository = self._repository
        if repository.try_run("symbolic-ref", "--quiet", "HEAD").text != f"refs/heads/{self._branch}":
            return
        commit.index_file.replace(repository.git_folder / "index")
        repository.try_run("update-index", "-q", "--refresh")
        if new != commit.id and repository.try_run("read-tree", "-m", "-u", commit.tree, new).code != 0:
            return
        repository.try_run("update-ref", f"refs/heads/{self._branch}", new)
        repository.try_run("update-ref", f"refs/remotes/origin/{self._branch}", new)
