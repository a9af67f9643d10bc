"""A network in one machine: each worker machine has a line of its own to the server, which can be cut one way or both ways."""

import os
import secrets
import shutil
import subprocess
from collections.abc import Sequence
from typing import Literal

Way = Literal["in", "out", "both"]
"""What a cut machine misses: what it is sent, what it sends, all of it."""
NEEDED = ("ip", "nft", "nsenter")


def missing() -> str | None:
    """Return why no such network can be made here; None if it can."""
    lacking = [name for name in NEEDED if shutil.which(name) is None]
    if lacking:
        return f"not installed: {', '.join(lacking)} (Debian: nftables, iproute2)"
    if os.geteuid() != 0:
        return "only root may cut lines between networks"
    made = subprocess.run(["unshare", "--net", "nft", "list", "ruleset"], capture_output=True, check=False)
    return f"no networks may be made here: {made.stderr.decode().strip()}" if made.returncode else None


def _run(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, check=False, text=True)
    assert done.returncode == 0, f"{words}: {done.stderr}"


class Network:
    """Lines from any number of machines to one address of this one, at which a server may listen."""

    def __init__(self) -> None:
        self._mark = secrets.token_hex(3)
        self._net = f"10.{64 + secrets.randbelow(64)}.{secrets.randbelow(256)}"
        self.address = f"{self._net}.254"
        self._lines: list[str] = []
        _run("ip", "addr", "add", f"{self.address}/32", "dev", "lo")

    def line(self) -> str:
        """Lay a line; return its name."""
        number = len(self._lines)
        name, here, there = f"m{self._mark}{number}", f"h{self._mark}{number}", f"t{self._mark}{number}"
        near, far = f"{self._net}.{number * 4 + 1}", f"{self._net}.{number * 4 + 2}"
        self._lines.append(name)
        _run("ip", "netns", "add", name)
        _run("ip", "link", "add", here, "type", "veth", "peer", "name", there, "netns", name)
        _run("ip", "addr", "add", f"{near}/30", "dev", here)
        _run("ip", "link", "set", here, "up")
        for words in (
            ("ip", "addr", "add", f"{far}/30", "dev", there),
            ("ip", "link", "set", there, "up"),
            ("ip", "link", "set", "lo", "up"),
            ("ip", "route", "add", "default", "via", near),
        ):
            _run(*self.inside(name), *words)
        return name

    @staticmethod
    def inside(name: str) -> Sequence[str]:
        """Return the words that put a command at the far end of a line."""
        return ("nsenter", f"--net=/run/netns/{name}", "--")

    def cut(self, name: str, way: Way) -> None:
        """Let nothing through any more, without a word to anyone."""
        hooks = {"in": ("input",), "out": ("output",), "both": ("input", "output")}[way]
        chains = "".join(f"chain {hook} {{ type filter hook {hook} priority 0; policy drop; }}\n" for hook in hooks)
        _run(*self.inside(name), "nft", f"table inet cut {{\n{chains}}}")

    def repair(self, name: str) -> None:
        """Let everything through again."""
        _run(*self.inside(name), "nft", "delete", "table", "inet", "cut")

    def close(self) -> None:
        """Leave nothing behind."""
        for number, name in enumerate(self._lines):
            subprocess.run(["ip", "link", "del", f"h{self._mark}{number}"], capture_output=True, check=False)
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)
        subprocess.run(["ip", "addr", "del", f"{self.address}/32", "dev", "lo"], capture_output=True, check=False)
