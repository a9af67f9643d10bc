"""Files of a child process: each request gets an answer, whatever the worker meets."""

import pytest

from mainspring.domain.errors import CodecUnavailableError, FileRefError, MainspringError
from mainspring.engine.attempts.file_ref import FileRef
from mainspring.engine.attempts.processes.child_files import answer_file_request, rebuild_file_error
from mainspring.engine.attempts.processes.child_protocol import PutChunk, ReadChunk, SealFile

FILE = FileRef(name="a", size=1, sha256="0")


class Chunks:
    """A place that fails in one way."""

    def __init__(self, error):
        self.error = error

    def put_chunk(self, data):
        raise self.error

    def seal_file(self, file):
        raise self.error

    def read_chunk(self, file, index):
        raise self.error


@pytest.mark.parametrize("request_", [PutChunk(b"x"), SealFile(FILE), ReadChunk(FILE, 0)])
@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (FileRefError("it is damaged", hint="Put it again."), FileRefError),
        (CodecUnavailableError("the disk is full"), CodecUnavailableError),
        (OSError(5, "Input/output error"), MainspringError),
    ],
)
def test_each_failure_is_an_answer(request_, error, kind):
    """Of its own class, with its words: without an answer the code in the child would wait until its timeout."""
    answer = answer_file_request(Chunks(error), 7, request_)
    rebuilt = rebuild_file_error(answer)
    assert (answer.n, type(rebuilt), rebuilt.hint) == (7, kind, getattr(error, "hint", None))
    assert str(error) in str(rebuilt) or error.message in rebuilt.message
