"""Middleware around runs: code that runs on the deterministic loop of a body, at every replay, around the function of the workflow.

Invariants: it changes no identity, because it can make no request: `run.*`, timers and tasks are refused while its own code runs. The
function is called in the same task, so its branches have the same names. No middleware can change the ends of a run that are no
`Exception`: that it is unloaded, cancelled, rolled back or restarted.
"""

from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from mainspring.domain.errors import MiddlewareError
from mainspring.engine.attempts.step_middleware import Proceed, ProceedOnce, call_through
from mainspring.engine.body.body import Body
from mainspring.engine.body.run_log import RunLog

_REFUSED = "middleware around a run calls no run.* method, and starts no timer and no task"
_HINT = "It would change the steps of the run. Do this in the workflow, or around steps: async def around_step(self, step, proceed)."
_MOST_CALLS = 100
"""A middleware that calls `proceed` more often than this, whatever it raises, gets no answer: it would block the loop of the worker."""


class RunInvocation:
    """One call of the function of a run, as the middleware around it sees it: at the start of the run, and again at every replay.

    `key` = the run key. `args` and `kwargs` = the input; it cannot be replaced, because it is saved with the run. `headers` = its headers.
    `log` = the log of the run, as `run.log` in the workflow: a replay writes no line again.
    """

    __slots__ = ("_body", "args", "automation", "headers", "id", "key", "kwargs", "log")

    def __init__(self, body: Body, facts: Mapping[str, Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        self._body = body
        self.id: str = body.run_id
        self.automation: str = facts["automation"]
        self.key: str | None = facts["key"]
        self.args = args
        self.kwargs = kwargs
        self.log = RunLog(body, is_of_middleware=True)
        self.headers: Mapping[str, str] = facts["headers"]

    def now(self) -> datetime:
        """Return the time of the run: the instant (UTC) of its last outcome. It is the same in each replay."""
        return datetime.fromtimestamp(self._body.now_at / 1000, UTC)

    @property
    def is_replaying(self) -> bool:
        """Whether the code only repeats what it did before. Use it for metrics and log lines alone: a decision by it is no replay."""
        return not self._body.live


async def run_through(
    instances: Sequence[Any], body: Body, invocation: RunInvocation, call: Callable[[], Coroutine[Any, Any, Any]]
) -> Any:
    """Return the result of the function of a run, called through its middleware."""
    with _refused(body) as refuse:

        async def call_function() -> Any:
            with _allowed(body, refuse):
                return await call()

        def make_proceed(inner: Proceed, owner: str) -> ProceedOnce:
            return _ProceedInBody(inner, owner, body)

        return await call_through(instances, "around_run", invocation, call_function, make_proceed)


class _ProceedInBody(ProceedOnce):
    """The inner part of a call in a body. Code that repeats it without end comes to rest, so that the loop of the worker continues."""

    __slots__ = ("_body", "_calls")

    def __init__(self, inner: Proceed, owner: str, body: Body) -> None:
        super().__init__(inner, owner)
        self._body = body
        self._calls = 0

    async def __call__(self) -> Any:
        """Call the inner part once; see ProceedOnce."""
        self._calls += 1
        if self._calls > _MOST_CALLS:
            await self._body.future()
        return await super().__call__()

    def find_end(self) -> BaseException | None:
        """Return the end of the run: around a run nothing else cancels."""
        return self.end


@contextmanager
def _refused(body: Body) -> Iterator[Callable[[], None]]:
    """Refuse all requests of the main task of a body: its middleware runs."""

    def refuse() -> None:
        if body.loop.current() is body.task:
            body.refusals.count(body, MiddlewareError(_REFUSED, hint=_HINT))

    body.refuse_requests(refuse)
    try:
        yield refuse
    finally:
        body.refuse_requests(None)


@contextmanager
def _allowed(body: Body, refuse: Callable[[], None]) -> Iterator[None]:
    """Allow requests within the function of the run."""
    body.refuse_requests(None)
    try:
        yield
    finally:
        body.refuse_requests(refuse)
