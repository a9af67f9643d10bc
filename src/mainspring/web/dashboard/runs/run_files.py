"""The files on the page of a run: name, size and place of each, and the path of its download."""

from collections import Counter
from typing import Any

import msgspec

from mainspring.domain.access.permissions import Role
from mainspring.domain.errors import MainspringError
from mainspring.insight.text.formatting import escape_line
from mainspring.resources.known_secrets import KNOWN_SECRETS
from mainspring.store.read.runs.file_values import list_file_values
from mainspring.store.views import RunView
from mainspring.web.api.call import ApiCall
from mainspring.web.api.endpoints.runs.run_files import list_files


class FileRow(msgspec.Struct, frozen=True):
    """A file. `place` = the value that has it. `download` = its name in the path of the download."""

    name: str
    size: int
    place: str
    sha256: str
    download: str


class FileTable(msgspec.Struct, frozen=True):
    """The files of a run. `may_download` = whether the visitor may; `note` = why they cannot be listed."""

    rows: list[FileRow]
    may_download: bool = False
    note: str = ""


def read_file_table(call: ApiCall[Any, Any], run: RunView) -> FileTable | None:
    """Return the files of a run; None = none of its stored values names one."""
    if not list_file_values(call.site.reader, run.id):
        return None
    try:
        files = list_files(call).items
    except MainspringError as error:
        return FileTable([], note=f"{error.message.partition(chr(10))[0]}. {error.hint or ''}".rstrip())
    digests = Counter(file.sha256 for file in files)
    # The number may change while the run is running; the digest does not, but files with equal bytes share it.
    rows = [
        FileRow(
            name=escape_line(KNOWN_SECRETS.redact(file.name)),
            size=file.size,
            place=file.place,
            sha256=file.sha256,
            download=file.sha256 if digests[file.sha256] == 1 else str(file.number),
        )
        for file in files
    ]
    return FileTable(rows, call.visitor.may(Role.OPERATOR)) if rows else None
