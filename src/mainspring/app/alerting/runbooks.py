"""Where the runbook of an automation is: the page that it names, `runbooks/NAME.md` of the project, or the section of its docstring."""

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
    """`where` = an address, a path from the project's folder, or where to read it; `text` = its words, if they are no page."""

    where: str
    text: str | None = None


class RunbookFinder:
    """Looks in the folder of the project; without a configuration there is none."""

    def __init__(self, settings: Settings) -> None:
        self._folder = None if settings.file is None else settings.folder

    def of(self, automation: str, definition: Definition | None, incident: Incident | None = None) -> Runbook | None:
        """Return the runbook, at the heading that is about `incident` where its page has one; None = there is none."""
        named = None if definition is None else definition.option("runbook")
        if named:
            return Runbook(self._anchored(named, incident))
        page = f"{_RUNBOOK_FOLDER}/{automation}.md"
        if self._file(page, within=_RUNBOOK_FOLDER) is not None:
            return Runbook(self._anchored(page, incident))
        if definition is not None and definition.guide:
            return Runbook(f"in its docstring: mainspring auto show {automation}", definition.guide)
        return None

    def words(self, runbook: Runbook) -> str | None:
        """Return what it says about the incident that it was looked up for, as its author wrote it; None where only its reader can open it.

        Only Markdown within the project's folder is read: what else a definition names is for the eyes of whoever may open it there.
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

    def _anchored(self, page: str, incident: Incident | None) -> str:
        file = None if incident is None or "#" in page else self._file(page)
        if incident is None or file is None:
            return page
        try:
            text = file.read_text(encoding="utf-8", errors="replace") if file.stat().st_size <= _MAX_FILE_BYTES else ""
        except OSError:  # it is named all the same: whoever reads it may be allowed to
            return page
        anchor = find_anchor(text, incident)
        return page if anchor is None else f"{page}#{anchor}"

    def _file(self, page: str, within: str = "") -> Path | None:
        """Return the file of a page; None where it is an address, or not in the folder (`within` it, for what a name leads to)."""
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
