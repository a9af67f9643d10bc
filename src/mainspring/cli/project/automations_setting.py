"""The automations setting: add a file to `project.automations` in the configuration, and leave every other character unchanged."""

import re
import tomllib
from pathlib import Path
from typing import Any

from mainspring.cli.project.init import format_toml_text
from mainspring.domain.text.toml_lines import locate_keys

_CLOSING_BRACKET = re.compile(r"\]\s*(?:#[^\n]*)?$")
_KEY = ("project", "automations")


def add_automation(text: str, name: str) -> str | None:
    """Return the text of a configuration with one more entry in `project.automations`; None = a person must write it."""
    lines = text.split("\n")
    places = locate_keys(text)
    if _KEY in places:
        changed = _extend_list(lines, places[_KEY] - 1, format_toml_text(name))
    elif ("project",) in places:
        changed = [
            *lines[: places["project",]],
            f"automations = [{format_toml_text(name)}]",
            *lines[places["project",] :],
        ]
    else:
        changed = [f"[project]\nautomations = [{format_toml_text(name)}]\n", *lines]
    written = "\n".join(changed)
    return written if _read_automations(written) == [*(_read_automations(text) or []), name] else None


def write_file(file: Path, text: str) -> None:
    """Replace a file in one step: a concurrent reader sees the old text or the new one. Raises OSError."""
    part = file.with_name(f".{file.name}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(file)


def _extend_list(lines: list[str], start: int, entry: str) -> list[str]:
    """Return the lines with an entry before the closing bracket of the list that starts at `start`."""
    for end in range(start + 1, len(lines) + 1):
        source = "\n".join(lines[start:end])
        closing = _CLOSING_BRACKET.search(source)
        if closing is None or not _is_toml(source):
            continue
        before = source[: closing.start()].rstrip().removesuffix(",")
        between = "" if before.endswith("[") else ", "
        return [*lines[:start], f"{before}{between}{entry}{source[closing.start() :]}", *lines[end:]]
    return lines


def _is_toml(text: str) -> bool:
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return False
    return True


def _read_automations(text: str) -> list[Any] | None:
    if not _is_toml(text):
        return None
    project = tomllib.loads(text).get("project")
    automations = project.get("automations", []) if isinstance(project, dict) else []
    return automations if isinstance(automations, list) else None
