"""The identities of a body: those of its requests and of its branches, and the draws of random numbers that belong to a branch.

Invariant: an identity depends on branch, name and key or use alone, so that a replay finds the outcomes of each request.
"""

import hashlib
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any

from mainspring.domain.errors import BodyError
from mainspring.domain.flags.flag import QUESTION_PREFIX
from mainspring.domain.runs.step_identity import escape_step_name
from mainspring.engine.attempts.streams import StreamWriter, stream
from mainspring.engine.body.deterministic_loop import BodyTask
from mainspring.engine.body.request import Unloaded

if TYPE_CHECKING:
    from mainspring.engine.body.body import Body

_OUTSIDE_TEXT = "a run can be used only in its own workflow body, not in a callback or from outside"


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

    def enter(self, task: BodyTask) -> None:
        """Let a task that was made for this call make its requests in this branch."""
        task.branch, task.uses = self.branch, self.uses


class BodyIdentities:
    """Fixes the identities of one body, each at its call."""

    def __init__(self, body: "Body") -> None:
        self._body = body

    def name_branch(self, task: BodyTask, coro: Coroutine[Any, Any, Any], *, is_part_of_parent: bool) -> None:
        """Name a branch: its coroutine's qualified name and its nth use in the parent, unless it is a part of its parent's branch."""
        names, parent = self._body.names, self._body.loop.current()
        if parent is None:
            return
        task.shields = parent.shields
        if getattr(coro, "__name__", "") == "_outcome":  # a request wrapped as a task: it makes no requests itself
            task.branch = parent.branch
            return
        if is_part_of_parent:
            task.branch, task.uses = parent.branch, parent.uses
            return
        name = getattr(coro, "__qualname__", type(coro).__qualname__).replace("<locals>.", "")
        count = parent.uses[f"/{name}"] = parent.uses.get(f"/{name}", 0) + 1
        task.branch = f"{parent.branch}{name}#{count}/"
        if names.former or names.former_functions:
            task.branch = names.saved_branch(parent.branch, name, f"#{count}/")

    def of_step(
        self, name: str, key: str | None, was: Sequence[str] = (), branch: BodyTask | LibraryBranch | None = None
    ) -> str:
        """Return the identity of a step of any name; in the history it may have an earlier name (`was`), or one without escapes."""
        return self.of_request(name, key, branch, was, escape_step_name(name))

    def of_request(
        self,
        name: str,
        key: str | None,
        branch: BodyTask | LibraryBranch | None = None,
        was: Sequence[str] = (),
        escaped: str = "",
    ) -> str:
        """Return the identity of a request: branch + name (as `escaped`) + key, or nth use of the name in the branch."""
        body = self._body
        if body.loop.refuse_task is not None:
            body.loop.refuse_task()
        part, branch = escaped or name, branch or body.loop.current()
        if branch is None:
            if body.loop.closed:
                raise Unloaded
            if key is None:
                raise BodyError(_OUTSIDE_TEXT)
            return f"{part}[{key}]"
        if key is not None:
            suffix = f"[{key}]"
        else:
            count = branch.uses[part] = branch.uses.get(part, 0) + 1
            if count == 2 and name != "timer" and not name.startswith(QUESTION_PREFIX):
                body.notes.hints.add(f"{branch.branch}{name}")
            suffix = f"#{count}"
        ident = f"{branch.branch}{part}{suffix}"
        if was or body.names.former or part != name:
            return body.names.saved_ident(ident, branch.branch, suffix, name, was) or ident
        return ident

    def draw(self, purpose: str) -> bytes:
        """Return 32 random bytes that are the same in each replay; each `purpose` has its own sequence."""
        task, branch, count = self._body.loop.current(), "", 0
        if task is not None:
            branch, count = task.branch, task.uses.get(f"?{purpose}", 0) + 1
            task.uses[f"?{purpose}"] = count
        return hashlib.sha256(f"{self._body.origin_id}\x1f{branch}\x1f{purpose}\x1f{count}".encode()).digest()
