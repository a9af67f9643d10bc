"""The file of the trigger that started a run: its path, and where a failure moves it, which decides how to retry. Pure."""

import base64
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any, Final, NamedTuple

import msgspec

from mainspring.domain.definitions.definition import Definition
from mainspring.domain.definitions.options import DefinitionKind
from mainspring.domain.triggers.watched_folder import KEEP, WatchedFolder
from mainspring.domain.values.file import is_encoded_file
from mainspring.domain.values.plain_json import decode_value
from mainspring.insight.text.formatting import escape_line, shell_word
from mainspring.store.trigger_views import DeliveryRow
from mainspring.store.views import AutomationView, RunView

_PATH: Final = 300


class TriggerFile(NamedTuple):
    """The file of a run. `path` None = there are several, or its name is not known; `moved_to` None = it stays in place.

    `exact` = its path as a file system has it, with surrogates for what is not UTF-8.
    """

    folder: str
    path: str | None
    moved_to: str | None
    exact: str | None

    @property
    def name(self) -> str:
        """Its name in sentences."""
        return f"file {escape_line(self.path, _PATH)}" if self.path else "file"

    @property
    def move_back(self) -> str | None:
        """The command that moves it back; None = its name is not known."""
        if self.exact is None or self.moved_to is None or not PurePosixPath(self.exact).is_relative_to(self.folder):
            return None
        moved = PurePosixPath(self.moved_to, PurePosixPath(self.exact).relative_to(self.folder))
        return f"mv -n {shell_word(str(moved))} {shell_word(self.exact)}"


def find_trigger_file(
    run: RunView, automation: AutomationView | None, deliveries: Sequence[DeliveryRow]
) -> TriggerFile | None:
    """Return the file that started a run; None = no trigger of files did, or its definition is gone."""
    if not deliveries or automation is None or not automation.definition:
        return None
    name, _, end = deliveries[0].trigger.partition("/")
    if name != run.automation:
        return None
    trigger = Definition.from_data(msgspec.json.decode(automation.definition)).triggers.get(end)
    if trigger is None or not isinstance(trigger.source, WatchedFolder):
        return None
    files = trigger.source
    moved_to = None if files.after_failure == KEEP else str(PurePosixPath(files.folder, files.after_failure))
    found = list(_files_in(decode_value(run.input))) if len(deliveries) == 1 else []
    if len(found) != 1:
        return TriggerFile(files.folder, None, moved_to, None)
    path, raw = str(found[0]["path"]), found[0].get("raw")
    exact = path if raw is None else base64.b64decode(raw).decode("utf-8", "surrogateescape")
    return TriggerFile(files.folder, path, moved_to, exact)


def _files_in(value: Any) -> Iterator[dict[str, Any]]:
    """Yield each `ms.File` in the input of a run."""
    if isinstance(value, dict) and is_encoded_file(value):
        yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _files_in(part)


def retry_reads_file(run: RunView) -> bool:
    """Whether each retry reads the file again: a task has no finished step."""
    return run.kind != DefinitionKind.WORKFLOW


def describe_retry(file: TriggerFile) -> str:
    """Return a sentence on what a person must know before a retry of a failed run of a file."""
    if file.moved_to is None:
        return (
            f"A retry reads its {file.name} again, which must be there with the same content. If you changed "
            "the content, do not retry: the file starts a new run."
        )
    to = escape_line(file.moved_to, _PATH)
    back = escape_line(file.path or file.folder, _PATH)
    return (
        f"After a failure its file is moved to {to}, so a retry would not find it. To try again, move the "
        f"file back to {back}: that starts a new run, whose success settles this one."
    )
