"""A person with a new environment and an empty folder, who types what the pages say."""

import json
import os
import shlex
import signal
import socket
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.acceptance.page_commands import Block

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_S = 120
_END = "END_OF_THE_FILE"
_FIRST_LINE = "set -eu -o pipefail\n"


def free_ports(number: int) -> list[int]:
    """Return ports that no one listens on."""
    sockets = [socket.socket() for _ in range(number)]
    for opened in sockets:
        opened.bind(("127.0.0.1", 0))
    ports = [socket.getsockname()[1] for socket in sockets]
    for opened in sockets:
        opened.close()
    return ports


class NewUser:
    """`folder` is where the terminal stands. Nothing of this checkout but the built wheel is in reach."""

    def __init__(self, folder: Path, environment: Path) -> None:
        self.folder = folder / "work"
        self.folder.mkdir()
        web, self.hooks = free_ports(2)
        self.env = {
            "PATH": f"{environment / 'bin'}:{os.environ['PATH']}",
            "HOME": str(folder),
            "MAINSPRING_WEB_BIND": f"127.0.0.1:{web}",
            "MAINSPRING_HOOKS_BIND": f"127.0.0.1:{self.hooks}",
        }
        self._home_store = str(folder / "state" / "mainspring" / "state.db")
        self._terminals: list[subprocess.Popen[str]] = []

    def stay_out_of_the_machine(self) -> None:
        """Where this test is root, the usual place outside of a project is the machine's: take the one that anyone else has."""
        if os.getuid() == 0:
            self.env["MAINSPRING_STORE_URL"] = self._home_store

    def follow(self, blocks: list[Block]) -> str:
        """Write and type what a page says, in its order, in one terminal; return what that printed. Ends at the first line that fails."""
        lines = [_FIRST_LINE]
        for path, text in blocks:
            if path is None:
                lines.append(text)
            else:
                place = shlex.quote(path)
                lines.append(f"mkdir -p $(dirname {place}); cat > {place} <<'{_END}'\n{text}{_END}\n")
        printed = self.folder / ".printed"
        with printed.open("w", encoding="utf-8") as out:
            terminal = subprocess.Popen(
                ["bash", "-c", "".join(lines)],
                cwd=self.folder, env=self.env, stdin=subprocess.DEVNULL,
                stdout=out, stderr=subprocess.STDOUT, text=True, start_new_session=True,
            )  # fmt: skip
        self._terminals.append(terminal)
        code = terminal.wait(TIMEOUT_S)
        output = printed.read_text(encoding="utf-8")
        assert code == 0, output
        return output

    def type(self, line: str, *, code: int = 0) -> str:
        """Type one line; return what it printed."""
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=self.folder, env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, timeout=TIMEOUT_S, check=False,
        )  # fmt: skip
        assert done.returncode == code, f"{line}: {done.returncode}\n{done.stdout}"
        return done.stdout

    def begin(self, line: str) -> None:
        """Type a line that stays, in another terminal."""
        with (self.folder / "other-terminal.log").open("w", encoding="utf-8") as log:
            self._terminals.append(
                subprocess.Popen(
                    ["bash", "-c", f"exec {line}"],
                    cwd=self.folder,
                    env=self.env,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    text=True,
                    start_new_session=True,
                )
            )

    def ask(self, line: str, *, code: int = 0) -> Any:
        """Type a line with --json; return what it says."""
        return json.loads(self.type(f"{line} --json 2>/dev/null", code=code))

    def close(self) -> None:
        """Close the terminals with all that still runs in them."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            for terminal in self._terminals:
                with suppress(ProcessLookupError):
                    os.killpg(terminal.pid, number)
                if number == signal.SIGTERM:
                    with suppress(subprocess.TimeoutExpired):
                        terminal.wait(20)
