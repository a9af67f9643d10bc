"""Checkout of a repository: clone it, or move it to the newest commit of a branch, a tag or a commit."""

import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Unpack

import msgspec

from mainspring.actions.base.calling_thread import in_thread, refuse_event_loop
from mainspring.actions.files.place import FilePath, Place, RootPath, Target, read_target
from mainspring.actions.files.temporary import open_temporary_folder
from mainspring.actions.git.git_errors import GitActionError
from mainspring.actions.git.git_remote import GitOptions, GitRemote, read_ref, read_remote
from mainspring.actions.git.repository import DEFAULT_TIMEOUT, MOVE, Repository, require_git
from mainspring.domain.text.escaping import escape
from mainspring.store import failpoints
from mainspring.triggers.files.folder import printable_path

_COMMIT_ID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_BRANCHES = "refs/remotes/origin/"
_MAX_LISTED = 5


class GitCheckout(msgspec.Struct, frozen=True):
    """A checkout. `branch` = None at a tag or a commit. `is_new` = this call has cloned it, `is_changed` = or moved it."""

    path: str
    commit: str
    branch: str | None
    is_new: bool
    is_changed: bool


def checkout(
    url: str,
    folder: FilePath,
    *,
    ref: str | None = None,
    discard: bool = False,
    root: RootPath = None,
    make_folders: bool = False,
    **options: Unpack[GitOptions],
) -> GitCheckout:
    """Clone a repository into a folder, or move the checkout there to the newest commit.

    `ref` = a branch, a tag or a whole commit id (default: the branch of the remote's HEAD). A checkout with local changes is an error;
    `discard=True` drops them, and commits that are not at the remote. `root` = the folder that no path may leave.

    Safe to run twice because a clone gets its name when it is complete, and a second call finds the commit checked out. The next call
    finishes what a killed one began. Hooks, submodules and filters do not run.

    Example:
        git.checkout("https://git.example.com/team/site.git", "work/site", ref="main", make_folders=True)

    Raises:
        GitActionError: Git refuses it, there is no such ref, or the checkout has local changes.
        GitUnavailableError: the remote does not answer, or another process uses the checkout; a retry can help.
        FileActionError, PathOutsideRootError: the folder cannot be used.
        ArgumentError, OptionError, ConfigError: an argument cannot be used.
    """
    refuse_event_loop("git.checkout")
    remote = read_remote("git.checkout", url, options)
    name = None if ref is None else read_ref(ref, "branch, tag or commit")
    target = read_target(folder, root)
    require_git()
    timeout = options.get("timeout", DEFAULT_TIMEOUT)
    with target.open("check out to", make_folders=make_folders) as place:
        if not _is_filled(place):
            with _new_folder(place, target, remote) as path:
                if path is not None:
                    commit, branch = _clone(Repository(str(path), remote, timeout), name)
                    return GitCheckout(target.absolute, commit, branch, is_new=True, is_changed=True)
        repository = Repository(target.absolute, remote, timeout)
        commit, branch, is_changed = _update(repository, name, is_discarded=discard)
        return GitCheckout(target.absolute, commit, branch, is_new=False, is_changed=is_changed)


checkout_async = in_thread(checkout)


def _is_filled(place: Place) -> bool:
    """Return whether there is an entry other than an empty folder."""
    status = place.status()
    if status is None:
        return False
    if not stat.S_ISDIR(status.st_mode):
        return True
    descriptor = os.open(place.name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=place.folder)
    try:
        with os.scandir(descriptor) as entries:
            return next(entries, None) is not None
    finally:
        os.close(descriptor)


@contextmanager
def _new_folder(place: Place, target: Target, remote: GitRemote) -> Iterator[Path | None]:
    """Yield the path of a temporary folder, which gets the name of the place at the end; None if another call was faster."""
    with open_temporary_folder(place) as part:
        if _is_filled(place):
            yield None
            return
        yield Path(target.absolute).parent / part
        failpoints.hit("git.cloned")
        os.rename(part, place.name, src_dir_fd=place.folder, dst_dir_fd=place.folder)
        failpoints.hit("git.published")
        os.fsync(place.folder)


def _clone(repository: Repository, name: str | None) -> tuple[str, str | None]:
    """Clone into the folder of the repository; return the commit and its branch."""
    url = repository.remote.url
    words = ("clone", "--quiet", "--no-checkout", "--no-hardlinks", "--template=", "--origin=origin")
    repository.run(*words, "--", url, str(repository.path), verb="clone")
    with repository.lock():
        commit, branch = _resolve(repository, name)
        if commit:
            _move(repository, commit, branch, is_forced=False)
    return commit, branch


def _update(repository: Repository, name: str | None, *, is_discarded: bool) -> tuple[str, str | None, bool]:
    """Move the checkout; return the commit, its branch, and whether anything changed."""
    with repository.lock() as interrupted:
        found = repository.read_url()
        if found != repository.remote.url:
            raise GitActionError(
                f"{repository.place} is a checkout of another repository: {escape(found, 200)}",
                hint="Choose another folder, or remove this one.",
            )
        if interrupted.startswith(MOVE) and not is_discarded:
            repository.run(
                "checkout", "--quiet", "--force", "--detach", interrupted.removeprefix(MOVE), verb="check out"
            )
        if not is_discarded:
            _require_no_changes(repository)
        repository.run(
            *("fetch", "--quiet", "--force", "--prune", "--no-recurse-submodules", "--", repository.remote.url),
            *("+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*"),
            verb="fetch",
        )
        if not is_discarded:
            _require_no_commits(repository)
        before = repository.try_run("rev-parse", "--verify", "--quiet", "HEAD").text
        commit, branch = _resolve(repository, name)
        if commit:
            _move(repository, commit, branch, is_forced=is_discarded)
        return commit, branch, before != commit


def _require_no_changes(repository: Repository) -> None:
    listed = repository.run("status", "--porcelain", "-z", "--no-renames", verb="read").split("\0")
    names = [printable_path(entry[3:]) for entry in listed if entry]
    if names:
        more = f" and {len(names) - _MAX_LISTED} more" if len(names) > _MAX_LISTED else ""
        raise GitActionError(
            f"the checkout {repository.place} has local changes: {', '.join(names[:_MAX_LISTED])}{more}",
            hint="Push them with git.push, or drop them: discard=True.",
        )


def _require_no_commits(repository: Repository) -> None:
    """Raise GitActionError if HEAD has a commit that the remote does not have."""
    head = repository.try_run("rev-parse", "--verify", "--quiet", "HEAD").text
    if head and repository.run("rev-list", "-n", "1", head, "--not", "--remotes=origin", "--tags", verb="read"):
        raise GitActionError(
            f"the checkout {repository.place} has commits that are not at {repository.remote.place}",
            hint="Push them, or drop them: discard=True.",
        )


def _resolve(repository: Repository, name: str | None) -> tuple[str, str | None]:
    """Return a commit of the remote and its branch; "" for the HEAD of a remote without commits.

    Raises:
        GitActionError: there is no such branch, tag or commit.
    """
    if name is None:
        listed = repository.run("ls-remote", "--symref", "--", repository.remote.url, "HEAD", verb="read")
        first = listed.partition("\n")[0]
        if not first.startswith("ref: refs/heads/"):
            return listed.split("\t")[0] if listed else "", None
        name = read_ref(first.removeprefix("ref: refs/heads/").partition("\t")[0], "branch")
        return _find_commit(repository, f"{_BRANCHES}{name}"), name
    commit = _find_commit(repository, f"{_BRANCHES}{name}")
    if commit:
        return commit, name
    commit = _find_commit(repository, f"refs/tags/{name}")
    if not commit and _COMMIT_ID.fullmatch(name):
        commit = _find_commit(repository, name)
    if not commit:
        raise GitActionError(
            f"{repository.remote.place} has no branch, tag or commit {name!r}",
            hint=f"List them: git ls-remote {repository.remote.place}",
        )
    return commit, None


def _find_commit(repository: Repository, name: str) -> str:
    return repository.try_run("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}").text


def _move(repository: Repository, commit: str, branch: str | None, *, is_forced: bool) -> None:
    """Check a commit out. A killed call leaves a mark, by which the next one finishes it."""
    repository.mark(f"{MOVE}{commit}")
    failpoints.hit("git.moving")
    force = ["--force"] if is_forced else []
    place = ["--detach"] if branch is None else ["--no-track", "-B", branch]
    repository.run("checkout", "--quiet", *force, *place, commit, verb="check out")
    if is_forced:
        repository.run("clean", "--quiet", "-ffd", verb="clean")
    failpoints.hit("git.moved")
