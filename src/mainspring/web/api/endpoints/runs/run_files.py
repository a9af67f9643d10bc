"""Files of runs: list them, and download one."""

import re
from typing import Final

import msgspec

from mainspring.domain.access.permissions import Role
from mainspring.domain.runs.run_file import RunFile
from mainspring.domain.values.stored_file import StoredFile
from mainspring.insight.runs.run_files import choose_run_file, list_run_files
from mainspring.store.read.runs.file_values import list_file_values
from mainspring.store.views import RunView
from mainspring.web.api.call import AnyApiCall
from mainspring.web.api.route import get_route

_NUMBER: Final = re.compile(r"[1-9][0-9]{0,5}", re.ASCII)
"""Longer digits are the first ones of a SHA-256."""


class RunFileList(msgspec.Struct, frozen=True):
    """The files of a run, in the order of its values."""

    items: list[RunFile]


def list_files(call: AnyApiCall) -> RunFileList:
    """List the files in the input, the result, the published state and the steps of a run."""
    run = call.run()
    placed = list_run_files(list_file_values(call.site.reader, run.id), call.site.sealing)
    return RunFileList([file.describe() for file in placed])


def find_file(call: AnyApiCall) -> tuple[RunView, StoredFile]:
    """Download a file of a run: by its number, its name, or the first digits of its SHA-256, at least eight.

    `ETag` is the SHA-256. `Range` with one range and `If-Range` continue an interrupted download.
    Each download is an entry of the audit log.
    """
    run, text = call.run(), call.names["file"]
    name = int(text) if _NUMBER.fullmatch(text) else text
    placed = list_run_files(list_file_values(call.site.reader, run.id), call.site.sealing)
    return run, choose_run_file(placed, run.id, name).file


ROUTES = (
    get_route("files.list", "/runs/{run}/files", list_files, RunFileList),
    get_route("files.download", "/runs/{run}/files/{file}", find_file, bytes, role=Role.OPERATOR, is_download=True),
)
