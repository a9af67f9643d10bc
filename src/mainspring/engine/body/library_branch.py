"""Branches of library calls: an agent makes its requests in tasks of its own, whose names are not those of the user's code."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mainspring.domain.runs.step_identity import escape_step_name
from mainspring.engine.attempts.streams import StreamWriter, stream

if TYPE_CHECKING:
    from mainspring.engine.body.body import Body
    from mainspring.engine.body.deterministic_loop import BodyTask


class LibraryBranch:
    """The branch of one call of a library: a name, and its nth use in the branch of the user's task that called it.

    `is_internal` = whether a coroutine belongs to the library. No identity contains such a coroutine, so that another version of the
    library, which has other tasks inside, finds what an earlier one has saved.
    """

    __slots__ = ("branch", "uses")

    def __init__(self, body: "Body", name: str, is_internal: Callable[[Any], bool]) -> None:
        task = body.loop.current()
        assert task is not None
        while is_internal(task.get_coro()) and (parent := task.parent()) is not None:
            task = parent
        part = escape_step_name(name)
        count = task.uses[f"/{part}"] = task.uses.get(f"/{part}", 0) + 1
        self.branch = f"{task.branch}{part}#{count}/"
        self.uses: dict[str, int] = {}

    def count_use(self, name: str) -> int:
        """Count a use of a name in this branch; return which one it is, from 1."""
        count = self.uses[name] = self.uses.get(name, 0) + 1
        return count

    def open_stream(self, name: str) -> StreamWriter:
        """Return a stream of the run, in a step of the library: the library knows the run by this branch alone."""
        return stream(name)

    def enter(self, task: "BodyTask") -> None:
        """Let a task that was made for this call make its requests in this branch."""
        task.branch, task.uses = self.branch, self.uses
