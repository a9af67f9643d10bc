"""The command line, called in a process of its own that is forked from one that has loaded the program: ten times cheaper, else the same.

A test that waits for other processes calls it hundreds of times. How the program starts is tested where it starts cold
(tests/acceptance/test_cli_process.py); a call whose environment changes what Python loads starts cold here as well.

    python -m tests.warm_command_line 3        # the template: one call after the other, over the socket it was given
"""

import array
import atexit
import contextlib
import gc
import importlib
import json
import os
import pkgutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SOURCE = str(ROOT / "src")
_AT_START = ("PYTHON", "LC_", "LANG", "LD_", "FAKETIME")
"""What Python, or its libraries, look at while they start."""


def call(
    words: Sequence[str],
    *,
    cwd: Path | str,
    env: Mapping[str, str],
    timeout: float,
    input: bytes | str | None = None,
    text: bool = True,
) -> "subprocess.CompletedProcess[Any]":
    """Call `mainspring WORDS` and wait for its end, as `subprocess.run` does with `capture_output`."""
    rest_of_them = [name for name in env if name.startswith(_AT_START) and name != "PYTHONPATH"]
    if env.get("PYTHONPATH") != SOURCE or rest_of_them or env.get("PATH") != os.environ["PATH"]:
        return subprocess.run(
            [sys.executable, "-m", "mainspring", *words],
            cwd=cwd, env=dict(env), input=input, capture_output=True, text=text, timeout=timeout, check=False,
        )  # fmt: skip
    with _LOCK:
        template = _IDLE.pop() if _IDLE else _Template()
    # In files: a pipe would be held open by whom the call leaves behind, and a request may be of any length.
    request = json.dumps({"words": [*words], "cwd": str(cwd), "env": dict(env)}).encode()
    input_bytes = input.encode() if isinstance(input, str) else input or b""
    files = [_file(content) for content in (input_bytes, b"", b"", request)]
    try:
        code = template.run(files, timeout)
        out, err = (_content(file) for file in files[1:3])
    finally:
        for file in files:
            os.close(file)
    if code is None:
        raise subprocess.TimeoutExpired([*words], timeout, out, err)
    with _LOCK:
        _IDLE.append(template)
    output = [text_read.decode() if text else text_read for text_read in (out, err)]
    return subprocess.CompletedProcess([*words], code, *output)


def draw(words: Sequence[str], terminal: int, *, cwd: Path | str, env: Mapping[str, str], timeout: float) -> int | None:
    """Call `mainspring WORDS` on a terminal, given by the number of its open file; return its exit code, None after the time-out."""
    stored = {name: value for name, value in env.items() if not name.startswith(_AT_START)} | {"PYTHONPATH": SOURCE}
    request = json.dumps({"words": [*words], "cwd": str(cwd), "env": stored}).encode()
    with _LOCK:
        template = _IDLE.pop() if _IDLE else _Template()
    request_file = _file(request)
    try:
        code = template.run([terminal, terminal, terminal, request_file], timeout)
    finally:
        os.close(request_file)
    if code is not None:
        with _LOCK:
            _IDLE.append(template)
    return code


def _file(content: bytes) -> int:
    number = os.memfd_create("call")
    with os.fdopen(number, "wb", closefd=False) as file:
        file.write(content)
    os.lseek(number, 0, os.SEEK_SET)
    return number


def _content(file: int) -> bytes:
    return os.pread(file, os.fstat(file).st_size, 0)


class _Template:
    """One warm process, used by one call at a time."""

    def __init__(self) -> None:
        self._line, other_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        env = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{SOURCE}{os.pathsep}{ROOT}"}
        with other_end:
            number = other_end.fileno()
            # It ends when its line is closed: with this process at the latest.
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.warm_command_line", str(number)],
                cwd=ROOT, env=env, pass_fds=[number], stdin=subprocess.DEVNULL,
            )  # fmt: skip

    def run(self, files: list[int], timeout: float) -> int | None:
        """Return how the call of these files ended; None = it was killed after so many seconds, and this template is of no more use."""
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", files))]
        self._line.sendmsg([b"call"], rights)
        pid = int(self._line.recv(64))
        self._line.settimeout(timeout)
        try:
            return os.waitstatus_to_exitcode(int(self._line.recv(64)))
        except TimeoutError:
            os.kill(pid, signal.SIGKILL)
            self.close()
            return None

    def close(self) -> None:
        """End it."""
        self._line.close()
        self._process.wait()


_IDLE: list[_Template] = []
_LOCK = threading.Lock()


@atexit.register
def _end() -> None:
    while _IDLE:
        _IDLE.pop().close()


def _load() -> None:
    """Import all of the program that can be."""
    import mainspring

    for module in pkgutil.walk_packages(mainspring.__path__, "mainspring."):
        if not module.name.endswith("__main__"):
            with contextlib.suppress(ImportError):
                importlib.import_module(module.name)


def _next_call(line: socket.socket) -> list[str]:
    """Fork for each call and tell how it ended; return in the child, with the words of its call."""
    while True:
        word, rights, _, _ = socket.recv_fds(line, 16, 4)
        if not word:
            sys.exit()
        pid = os.fork()
        if not pid:
            line.close()
            for number, file in enumerate(rights[:3]):
                os.dup2(file, number)
                os.close(file)
            with os.fdopen(rights[3], "rb") as request_file:
                request = json.load(request_file)
            sys.stdout.reconfigure(line_buffering=os.isatty(1))  # type: ignore[union-attr]  # as it would have begun there
            os.chdir(request["cwd"])
            os.environ.clear()
            os.environ.update(request["env"])
            time.tzset()
            sys.path[:] = [request["cwd"], *(place for place in sys.path if place != str(ROOT))]
            words: list[str] = request["words"]
            return words
        for file in rights:
            os.close(file)
        line.send(str(pid).encode())
        line.send(str(os.waitpid(pid, 0)[1]).encode())


def _main() -> int:
    """Do what the process of a call does, and return its exit code."""
    try:
        importlib.import_module("mainspring.__main__").main()
    except SystemExit as over:
        return over.code if isinstance(over.code, int) else int(over.code is not None)
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    _load()
    gc.freeze()
    sys.argv = ["mainspring", *_next_call(socket.socket(fileno=int(sys.argv[1])))]
    code = _main()
    threading._shutdown()  # type: ignore[attr-defined]  # as Python ends: else idle threads of an executor are awaited in vain
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)  # what was loaded is not taken down piece by piece: that would cost more than the call
