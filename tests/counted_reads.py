"""What a reader is asked, counted: a page or a look must not ask once for each row."""

from typing import Any


def counted(reader: Any) -> list[str]:
    """Note each statement that this reader carries out from now on, those of a snapshot too; return the list that grows."""
    reads: list[str] = []
    read, read_text, snapshot = reader.read, reader.read_text, reader.snapshot

    def noted(name: str, do: Any) -> Any:
        def count_query(query: str, params: Any = ()) -> Any:
            reads.append(query if name == "read" else "text")
            return do(query, params)

        return count_query

    class Counting:
        def __init__(self) -> None:
            self._inner = snapshot()

        def __enter__(self) -> Any:
            return noted("read", self._inner.__enter__())

        def __exit__(self, *reason: object) -> Any:
            return self._inner.__exit__(*reason)

    reader.read, reader.read_text, reader.snapshot = noted("read", read), noted("text", read_text), Counting
    return reads
