"""A repository on the disk, and the commands of Git that run in it.

Invariants: no hook, filter, pager, editor, credential helper or prompt starts; the configuration of the user and of the system counts for
nothing, and a repository whose own one could run a program is refused. One call at a time uses a checkout. A lock file that a killed call
left behind is removed by the next one; one of another program is an error.
"""

import contextlib
import fcntl
import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

from mainspring.actions.base.effect_descriptors import list_effect_descriptors
from mainspring.actions.base.stop_request import stoppable, watch_stop_request
from mainspring.actions.git.git_errors import GitActionError, GitUnavailableError, format_output, make_git_error
from mainspring.actions.git.git_remote import GitRemote, read_ref
from mainspring.domain.duration import SpanInput, format_duration, parse_duration
from mainspring.domain.text.escaping import escape
from mainspring.engine.attempts.step_context import CURRENT_STEP, raise_attempt_closed
from mainspring.engine.commands.command import CommandEnd, CommandSpec
from mainspring.engine.commands.command_process import CommandProcess
from mainspring.triggers.files.folder import printable_path

DEFAULT_TIMEOUT = "10m"
_PASSED_VARIABLES = (
    *("PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "SSH_AUTH_SOCK", "GIT_SSL_CAINFO", "SSL_CERT_FILE", "SSL_CERT_DIR"),
    *("http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"),
)
_SETTINGS = {
    "core.hooksPath": os.devnull,
    "core.fsmonitor": "false",
    "core.excludesFile": os.devnull,
    "core.attributesFile": os.devnull,
    "credential.helper": "",
    "commit.gpgSign": "false",
    "push.gpgSign": "false",
    "gc.autoDetach": "false",
    "maintenance.autoDetach": "false",
    "fetch.recurseSubmodules": "false",
    "submodule.recurse": "false",
    "advice.diverging": "false",
}
_HARMLESS = re.compile(
    r"core\.(?:repositoryformatversion|filemode|bare|logallrefupdates|symlinks|ignorecase|precomposeunicode|autocrlf|eol)"
    r"|extensions\.(?:objectformat|refstorage)|remote\.[\w-]+\.(?:url|fetch)|branch\..+\.(?:remote|merge|rebase)"
    r"|user\.(?:name|email)|init\.defaultbranch|pull\.(?:rebase|ff)|gc\.auto",
    re.DOTALL,
)
_MAX_OUTPUT_BYTES = 64 * 1024 * 1024
_LOCK, _MAX_MARK_BYTES = "mainspring.lock", 200
_WORKING = "working"
MOVE = "move "
"""The mark of a call that checks a commit out."""
_LONGEST_WAIT_S = 60.0
_PAUSE_S = 0.05
_OLDEST_GIT = (2, 40)
_VERSION_LIMIT = timedelta(seconds=30)


class GitOutput(NamedTuple):
    """The output of a command that ended by itself."""

    code: int
    stdout: bytes
    stderr: str

    @property
    def text(self) -> str:
        """Its standard output, without the line end."""
        return os.fsdecode(self.stdout).rstrip("\n")


class Repository:
    """A folder with a repository, or to be one. `remote` = where it comes from; `place` = the folder for people."""

    def __init__(self, path: str, remote: GitRemote, timeout: SpanInput = DEFAULT_TIMEOUT) -> None:
        self.path = Path(path)
        self.remote = remote
        self.place = printable_path(path)
        self._timeout = parse_duration(timeout)
        self._lock = -1
        self._mark = ""

    @property
    def git_folder(self) -> Path:
        """The folder with the objects."""
        return self.path / ".git"

    def run(self, *words: str, verb: str = "", env: Mapping[str, str] | None = None, stdin: str = "") -> str:
        """Run a command, and return its standard output.

        Raises:
            GitActionError, GitUnavailableError: it failed; `verb` says at what.
        """
        output = self.try_run(*words, env=env, stdin=stdin)
        if output.code != 0:
            raise make_git_error(verb or words[0], f"{self.remote.place} (in {self.place})", output.stderr)
        return output.text

    def read_settings(self, *words: str) -> GitOutput:
        """Run `git config` on the file of the repository, outside of it, so that the file itself has no effect."""
        file = str(self.git_folder.absolute() / "config")
        return self.try_run("config", "--file", file, "--no-includes", *words, cwd="/")

    def try_run(
        self, *words: str, env: Mapping[str, str] | None = None, stdin: str = "", cwd: str | None = None
    ) -> GitOutput:
        """Run a command, in the folder of the repository; an exit code other than 0 is no error.

        Raises:
            GitUnavailableError: it took too long. GitActionError: Git is missing.
        """
        outputs = {"stdout": bytearray(), "stderr": bytearray()}

        def collect(stream: str, data: bytes) -> None:
            if len(outputs[stream]) < _MAX_OUTPUT_BYTES:
                outputs[stream].extend(data)

        spec = CommandSpec(
            words=["git", *words],
            cwd=cwd or (str(self.path) if self.path.is_dir() else None),
            env=_make_environment(self.remote) | dict(env or {}),
            timeout=self._timeout,
            stdin=stdin.encode(),
            pass_fds=list_effect_descriptors(),
        )
        end = self._run_process(CommandProcess(spec, on_data=collect))
        stderr = outputs["stderr"].decode("utf-8", "backslashreplace")
        if end.timed_out:
            raise GitUnavailableError(
                f"git {words[0]} took longer than {format_duration(self._timeout)}\nat {self.remote.place}",
                hint="Check the network, or raise timeout=.",
            )
        return GitOutput(end.code, bytes(outputs["stdout"]), stderr)

    def _run_process(self, process: CommandProcess) -> CommandEnd:
        with stoppable(process.stop, process.processes):
            end = process.run()
        if end.stopped:
            step = CURRENT_STEP.get()
            raise_attempt_closed("git" if step is None else step.name)
        return end

    @contextlib.contextmanager
    def lock(self) -> Iterator[str]:
        """Lock the checkout for this call, and remove the lock files of a call that was killed; yield the mark of that call.

        Raises:
            GitActionError: it is no repository, or one that could run a program.
            GitUnavailableError: another call, or another program, uses it all the time.
        """
        require_repository(self.git_folder, self.place)
        self._lock = os.open(self.git_folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            self._wait_for(self._lock)
            interrupted = os.pread(self._lock, _MAX_MARK_BYTES, 0).decode("ascii", "replace").strip()
            if interrupted:
                self._remove_lock_files()
            self.mark(interrupted or _WORKING)
            self.require_harmless()
            yield interrupted
            os.ftruncate(self._lock, 0)
        except Exception:  # the commands have ended, and have removed their lock files
            if not self._mark.startswith(MOVE):
                os.ftruncate(self._lock, 0)
            raise
        finally:
            os.close(self._lock)

    def mark(self, text: str) -> None:
        """Write down what this call does, for the next one if this one is killed."""
        self._mark = text
        os.pwrite(self._lock, text.encode().ljust(_MAX_MARK_BYTES), 0)
        os.fsync(self._lock)

    def _wait_for(self, descriptor: int) -> None:
        until = time.monotonic() + _LONGEST_WAIT_S
        with watch_stop_request("git") as stop:
            while True:
                with contextlib.suppress(BlockingIOError):
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    return
                if time.monotonic() >= until:
                    raise GitUnavailableError(
                        f"another call has used the checkout {self.place} for {_LONGEST_WAIT_S:.0f} s",
                        hint="Wait for it, or give each call a folder of its own.",
                    )
                stop.pause(_PAUSE_S)

    def _remove_lock_files(self) -> None:
        """Remove the lock files of a killed call: it has the mark, its commands have died with it, and we have its lock."""
        for folder in (self.git_folder, self.git_folder / "refs", self.git_folder / "logs"):
            for path in folder.glob("*.lock") if folder == self.git_folder else folder.rglob("*.lock"):
                if path.name != _LOCK:
                    path.unlink(missing_ok=True)

    def read_url(self) -> str:
        """Return the address of the remote `origin`, "" without one."""
        return read_origin(str(self.path), is_required=False)

    def read_branch(self) -> str:
        """Return the branch that is checked out. Raises GitActionError without one."""
        self.require_harmless()
        found = self.try_run("symbolic-ref", "--quiet", "--short", "HEAD").text
        if not found:
            raise GitActionError(
                f"the checkout {self.place} is at no branch", hint='Name the branch to push to: branch="main".'
            )
        return read_ref(found, "branch")

    def require_harmless(self) -> None:
        """Raise GitActionError if the configuration of the repository could run a program."""
        listed = self.read_settings("--list", "-z")
        if listed.code != 0:
            raise GitActionError(f"the configuration of {self.place} cannot be read: {format_output(listed.stderr)}")
        for entry in os.fsdecode(listed.stdout).split("\0"):
            name = entry.partition("\n")[0]
            if name and not _HARMLESS.fullmatch(name):
                raise GitActionError(
                    f"the checkout {self.place} has a setting that this action does not allow: {escape(name, 100)}",
                    hint="It may run a program. Remove it from .git/config, or let git.checkout make a new folder.",
                )


def require_repository(git_folder: Path, place: str) -> None:
    """Raise GitActionError if a folder has no repository of its own."""
    if not git_folder.is_dir() or git_folder.is_symlink():
        raise GitActionError(
            f"{place} is no checkout: it has no folder .git",
            hint="Make it by git.checkout(url, folder). A worktree or a submodule cannot be used.",
        )


def read_origin(path: str, *, is_required: bool = True) -> str:
    """Return the address of the remote `origin` of a checkout.

    Raises:
        GitActionError: it is no checkout, or with `is_required` has no such remote.
    """
    folder, place = Path(path, ".git"), printable_path(path)
    require_repository(folder, place)
    nowhere = GitRemote("", {}, "false")
    found = Repository(path, nowhere).read_settings("--get", "remote.origin.url").text
    if is_required and not found:
        raise GitActionError(f"the checkout {place} has no remote `origin`", hint="git remote add origin ADDRESS")
    return found


def require_git() -> None:
    """Raise GitActionError if Git is missing or too old."""
    if shutil.which("git") is None:
        raise GitActionError("Git is not installed", hint="Install it: apt-get install git")
    collected = bytearray()
    spec = CommandSpec(
        words=["git", "version"], env={"PATH": os.environ.get("PATH", os.defpath)}, timeout=_VERSION_LIMIT
    )
    CommandProcess(spec, on_data=lambda _stream, data: collected.extend(data)).run()
    found = re.search(rb"(\d+)\.(\d+)", collected)
    if found is not None and (int(found[1]), int(found[2])) < _OLDEST_GIT:
        version = ".".join(map(str, _OLDEST_GIT))
        raise GitActionError(
            f"Git {found[0].decode()} is too old: git.push needs {version}", hint="Install a newer Git."
        )


def _make_environment(remote: GitRemote) -> dict[str, str]:
    """Return the environment of a command: a few variables, no configuration but ours, no prompt."""
    env = {name: os.environ[name] for name in _PASSED_VARIABLES if name in os.environ}
    env |= {
        "LC_ALL": "C.UTF-8",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "",
        "SSH_ASKPASS_REQUIRE": "never",
        "GIT_EDITOR": "true",
        "GIT_PAGER": "cat",
        "GIT_ALLOW_PROTOCOL": "https:http:ssh:file",
        "GIT_LITERAL_PATHSPECS": "1",
        "GIT_SSH_COMMAND": remote.ssh_command,
    }
    settings = _SETTINGS | remote.settings
    env["GIT_CONFIG_COUNT"] = str(len(settings))
    for number, (name, value) in enumerate(settings.items()):
        env |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    return env
