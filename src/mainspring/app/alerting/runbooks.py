"""Runbooks of automations: the page that an automation names, `runbooks/NAME.md` of the project, or a section of its docstring."""

from pathlib import Path

import msgspec

from mainspring.config import Settings
from mainspring.domain.definitions.definition import Definition
from mainspring.domain.incidents.incident import Incident
from mainspring.domain.incidents.runbook import extract_section, find_anchor

_MAX_FILE_BYTES = 1_000_000
_RUNBOOK_FOLDER = "runbooks"
_MARKDOWN_SUFFIX = ".md"


class Runbook(msgspec.Struct, frozen=True):
    """`where` = an address, a path from the project's folder, or the command that shows it; `text` = its text, if it is no page."""

    where: str
    text: str | None = None


class RunbookFinder:
    """Finds runbooks in the folder of the project. Without a configuration there is no folder."""

    def __init__(self, settings: Settings) -> None:
        self._folder = None if settings.file is None else settings.folder

    def of(self, automation: str, definition: Definition | None, incident: Incident | None = None) -> Runbook | None:
        """Return the runbook, at the heading for `incident` if its page has one; None = there is none."""
        named = None if definition is None else definition.option("runbook")
        if named:
            return Runbook(self._add_anchor(named, incident))
        page = f"{_RUNBOOK_FOLDER}/{automation}.md"
        if self._file(page, within=_RUNBOOK_FOLDER) is not None:
            return Runbook(self._add_anchor(page, incident))
        if definition is not None and definition.guide:
            return Runbook(f"in its docstring: mainspring auto show {automation}", definition.guide)
        return None

    def words(self, runbook: Runbook) -> str | None:
        """Return what the runbook says about the incident, as its author wrote it; None if only its reader can open it.

        Only Markdown within the project's folder is read: other files are only for readers with access to them.
        """
        if runbook.text is not None:
            return runbook.text
        page, _, anchor = runbook.where.partition("#")
        file = self._file(page, within=".") if page.endswith(_MARKDOWN_SUFFIX) else None
        try:
            if file is None or file.stat().st_size > _MAX_FILE_BYTES:
                return None
            return extract_section(file.read_text(encoding="utf-8", errors="replace"), anchor or None)
        except OSError:
            return None

    def _add_anchor(self, page: str, incident: Incident | None) -> str:
        file = None if incident is None or "#" in page else self._file(page)
        if incident is None or file is None:
            return page
        try:
            text = file.read_text(encoding="utf-8", errors="replace") if file.stat().st_size <= _MAX_FILE_BYTES else ""
        except OSError:  # the runbook is named all the same: its reader may have access
            return page
        anchor = find_anchor(text, incident)
        return page if anchor is None else f"{page}#{anchor}"

    def _file(self, page: str, within: str = "") -> Path | None:
        """Return the file of a page; None for an address, or for a file outside the folder (`within` it, where a name leads)."""
        if self._folder is None or "://" in page:
            return None
        file = self._folder / page
        try:
            is_there = file.is_file() and (
                not within or file.resolve().is_relative_to((self._folder / within).resolve())
            )
        except (OSError, ValueError):  # no name for a file
            return None
        return file if is_there else None
