"""The files and commands of a page, in the order in which they stand there, for a test that does what a reader does."""

import re
from pathlib import Path
from typing import NamedTuple

_BLOCK = re.compile(r"^```(sh|cron|toml|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"# (\S+\.\w+)\n")
_FROM_CRON = "cd /srv/app && .venv/bin/"
_CRON = re.compile(r"^(?:\S+\s+){5}(.*)$", re.MULTILINE)


class Block(NamedTuple):
    """A file to write (`path` is its name), or lines to type (`path` is None)."""

    path: str | None
    text: str


def blocks_of(page: Path) -> list[Block]:
    """Return the blocks of a page. Lines of a crontab are typed without their five fields, and
    in the folder and the environment of the user instead of those that they name; a file is named by its first line."""
    found = []
    for kind, text in _BLOCK.findall(page.read_text(encoding="utf-8")):
        if kind == "sh":
            found.append(Block(None, text))
        elif kind == "cron":
            found.append(Block(None, _CRON.sub(r"\1", text).replace(_FROM_CRON, "")))
        else:
            name = _FILE.match(text)
            assert name is not None, f"{page.name}: a block to copy does not say into which file:\n{text}"
            found.append(Block(name[1], text))
    return found
