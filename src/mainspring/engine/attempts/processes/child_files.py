"""Files of a child process: it has neither the place of the store nor the codec, so its worker puts and reads the chunks."""

from collections.abc import Callable

from mainspring.domain.errors import CodecUnavailableError, FileRefError, MainspringError, SealedError
from mainspring.domain.values.stored_file import FileChunks, StoredFile
from mainspring.engine.attempts.processes.child_protocol import FileAnswer, FileRequest, PutChunk, ReadChunk, SealFile


class ChildFiles:
    """The chunks as the code in a child puts and reads them. `ask` sends a request to the worker and waits for the answer."""

    def __init__(self, ask: Callable[[FileRequest], FileAnswer]) -> None:
        self._ask = ask

    def put_chunk(self, data: bytes) -> str:
        """Store a chunk and return its key."""
        return self._ask(PutChunk(data)).text

    def seal_file(self, file: StoredFile) -> str:
        """Return the seal of a file."""
        return self._ask(SealFile(file)).text

    def read_chunk(self, file: StoredFile, index: int) -> bytes:
        """Return a chunk of a file."""
        return self._ask(ReadChunk(file, index)).data


def answer_file_request(files: FileChunks, number: int, request: FileRequest) -> FileAnswer:
    """Return the answer to a request of a child; in a thread of its worker."""
    try:
        match request:
            case PutChunk(data):
                return FileAnswer(number, text=files.put_chunk(data))
            case SealFile(file):
                return FileAnswer(number, text=files.seal_file(file))
            case ReadChunk(file, index):
                return FileAnswer(number, data=files.read_chunk(file, index))
    except MainspringError as error:
        return FileAnswer(number, error=error.message, hint=error.hint, code=error.code)
    except Exception as error:  # noqa: BLE001 - the code in the child waits for an answer
        return FileAnswer(number, error=f"the worker cannot put or read the file: {type(error).__name__}: {error}")


def rebuild_file_error(answer: FileAnswer) -> MainspringError:
    """Return the error of a request in its own class: so the same code works with every isolation."""
    kinds = {kind.code: kind for kind in (FileRefError, CodecUnavailableError, SealedError)}
    return kinds.get(answer.code, MainspringError)(answer.error or "", hint=answer.hint)
