"""Queries for runs from Python, `app.runs`. Each call reads one state of the store, off the loop."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypedDict, TypeVar, Unpack

import msgspec

from mainspring.domain.definitions.options import MAX_VERSION
from mainspring.domain.errors import OptionError
from mainspring.domain.failures.failure import Failure
from mainspring.domain.runs.run_headers import decode_headers
from mainspring.domain.runs.run_tags import TagPair, make_tag_pairs
from mainspring.domain.states import RunState
from mainspring.domain.time.utc import to_datetime
from mainspring.domain.values.codec import decode
from mainspring.domain.values.sealing import Sealing
from mainspring.service.view_unsealing import ViewUnsealer
from mainspring.store.base import StoreReader
from mainspring.store.process_store import ProcessStore
from mainspring.store.read.runs.run_pages import count_runs, run_page
from mainspring.store.read.runs.run_views import newest_of, run_view
from mainspring.store.schema.row import first_value
from mainspring.store.views import RunRow, RunView

if TYPE_CHECKING:
    from mainspring.insight.runs.steps import StepLine

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
_PAGE: Final = 200
_MOST: Final = 10_000
"""Most runs of one list, and the highest count."""


class RunInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A run of a list. Instants are in UTC; `finished_at` None = it has not ended. `app.handle(info.id)` leads to more."""

    id: str
    automation: str
    version: int
    state: RunState
    reason: str | None
    title: str | None
    queue: str
    trigger: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class RunDetails(RunInfo, Generic[T_co], frozen=True, kw_only=True):
    """A run with its values. `result` = that of a run that succeeded, typed by the annotation if its code is in this program.

    `input` = its arguments by name, as plain JSON; `published` = the last value of `run.publish_state`, as plain JSON. `key` = its run key,
    `parent` = the run that called it, `waiting_for` = what a waiting run waits for, as the API returns it.
    """

    input: Any
    result: T_co | None
    failure: Failure | None
    waiting_for: Any
    published: Any
    tags: Mapping[str, str]
    headers: Mapping[str, str]
    key: str | None
    partition: str | None
    priority: int
    parent: str | None
    due_at: datetime | None
    deadline_at: datetime | None


class StepInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A step, child or wait of a run: `state` is that of its outcome, "running" or "retrying". `result` = its value as plain JSON.

    `attempts` = how many were started, 0 for a wait. `error` = the message of its failure.
    """

    ident: str
    name: str
    kind: str
    state: str
    attempts: int
    result: Any
    error: str | None


class StoreOwner(Protocol):
    """The app, as its queries use it."""

    sealing: Sealing

    async def opened_store(self, *, creates_store: bool = False) -> ProcessStore:
        """Return the store."""
        ...


class RunFilters(TypedDict, total=False):
    """The filters of a list of runs."""

    name: str | Sequence[str] | None
    state: RunState | str | Sequence[RunState | str] | None
    queue: str | None
    version: int | None
    tag: Mapping[str, object] | None
    since: datetime | None
    until: datetime | None


class _Conditions(TypedDict):
    """The filters, as the store reads them. `states` () = all."""

    states: Sequence[RunState]
    names: Sequence[str] | None
    queue: str | None
    version: int | None
    tags: Sequence[TagPair]
    since_at: int | None
    until_at: int | None


class RunQueries:
    """Reads of runs. Filters: `name` = an automation or several, `state` = a state or several, `queue`, `version`, `tag` = tags by name,
    created from `since` to before `until` (aware datetimes).
    """

    def __init__(self, owner: StoreOwner) -> None:
        self._owner = owner

    async def list(self, *, limit: int = 50, **filters: Unpack[RunFilters]) -> list[RunInfo]:
        """Return the newest runs of a filter, newest first.

        Raises:
            OptionError: a filter cannot be used, or `limit` is not from 1 to 10,000.
        """
        if type(limit) is not int or not 1 <= limit <= _MOST:
            raise OptionError(f"limit={limit!r}: expected a number from 1 to {_MOST:,}", hint="Use app.runs.iterate().")
        found: list[RunInfo] = []
        async for info in self._iterate("list", filters, min(limit, _PAGE)):
            found.append(info)
            if len(found) == limit:
                break
        return found

    def iterate(self, **filters: Unpack[RunFilters]) -> AsyncIterator[RunInfo]:
        """Yield all runs of a filter, newest first, page by page. A run that starts after the first page is not among them.

        Raises:
            OptionError: a filter cannot be used.
        """
        return self._iterate("iterate", filters, _PAGE)

    async def _iterate(self, call: str, filters: RunFilters, size: int) -> AsyncIterator[RunInfo]:
        conditions = _read_filters(call, filters)
        cursor: int | None = None
        while conditions is not None:

            def read(reader: StoreReader, cursor: int | None = cursor) -> tuple[list[RunRow], int | None]:
                page = run_page(reader, **conditions, limit=size, cursor=cursor)
                opener = ViewUnsealer(self._owner.sealing)
                return [opener.row(row) for row in page.runs], page.cursor

            rows, cursor = await self._read(read)
            for row in rows:
                yield _make_info(row)
            if cursor is None:
                return

    async def get(self, run_id: str) -> RunInfo:
        """Return a run, or the run that continues it (`run.restart`).

        Raises:
            NotFoundError: there is no such run.
        """

        def read(reader: StoreReader) -> RunView:
            return ViewUnsealer(self._owner.sealing).run(run_view(reader, newest_of(reader, run_id)))

        return _make_info(await self._read(read))

    async def by_key(self, automation: str, key: str) -> RunInfo | None:
        """Return the newest run of a run key; None = no run has it, or it was deleted."""

        def read(reader: StoreReader) -> RunView | None:
            run_id = first_value(reader.read("find_run_of_key", (automation, key)), str)
            if run_id is None or not reader.read("find_run_state", (run_id,)):
                return None
            return ViewUnsealer(self._owner.sealing).run(run_view(reader, run_id))

        view = await self._read(read)
        return None if view is None else _make_info(view)

    async def count(self, **filters: Unpack[RunFilters]) -> int:
        """Return how many runs match a filter, at most 10,000.

        Raises:
            OptionError: a filter cannot be used.
        """
        conditions = _read_filters("count", filters)
        return (
            0 if conditions is None else await self._read(lambda reader: count_runs(reader, **conditions, most=_MOST))
        )

    async def _read(self, read: Callable[[StoreReader], T]) -> T:
        store = await self._owner.opened_store()
        return await asyncio.to_thread(read, store.reader)


def _read_filters(call: str, filters: RunFilters) -> _Conditions | None:
    """Return the filters as the store reads them; None = no run can match. Raises OptionError."""
    unknown = sorted(filters.keys() - RunFilters.__annotations__.keys())
    if unknown:
        known = ", ".join(RunFilters.__annotations__)
        raise OptionError(f"app.runs.{call}: no filter {unknown[0]!r}", hint=f"Known: {known}.")
    name, state, version = filters.get("name"), filters.get("state"), filters.get("version")
    if version is not None and (type(version) is not int or not 1 <= version <= MAX_VERSION):
        raise OptionError(f"version={version!r}: expected a whole number from 1 to {MAX_VERSION:,}")
    states = () if state is None else _read_states((state,) if isinstance(state, str) else state)
    if state is not None and not states:
        return None
    return {
        "states": states,
        "names": [name] if isinstance(name, str) else name,
        "queue": filters.get("queue"),
        "version": version,
        "tags": make_tag_pairs(filters.get("tag") or {}),
        "since_at": _to_ms(filters.get("since")),
        "until_at": _to_ms(filters.get("until")),
    }


def _read_states(values: Iterable[RunState | str]) -> tuple[RunState, ...]:
    try:
        return tuple(RunState(value) for value in values)
    except ValueError as error:
        known = ", ".join(member.value for member in RunState)
        raise OptionError(f"state: {error}", hint=f"Known states: {known}.") from None


def _to_ms(instant: datetime | None) -> int | None:
    """Return an instant in ms UTC. Raises OptionError for another type, or one without a time zone."""
    if instant is None:
        return None
    if not isinstance(instant, datetime) or instant.tzinfo is None:
        raise OptionError(
            f"{instant!r}: expected a datetime with a time zone", hint="Write datetime.now(UTC), for example."
        )
    return round(instant.timestamp() * 1_000)


def _make_info(row: RunRow | RunView) -> RunInfo:
    return RunInfo(
        id=row.id,
        automation=row.automation,
        version=row.version,
        state=row.state,
        reason=row.reason,
        title=row.title,
        queue=row.queue,
        trigger=row.trigger,
        created_at=to_datetime(row.created_at),
        started_at=to_datetime(row.started_at),
        finished_at=to_datetime(row.finished_at),
    )


def make_details(view: RunView, result: T | None) -> RunDetails[T]:
    """Return a run for code from its row, whose values are unsealed, and its decoded result."""
    return RunDetails(
        **msgspec.structs.asdict(_make_info(view)),
        input=_decode_value(view.input),
        result=result,
        failure=view.failure,
        waiting_for=_decode_value(view.waiting_for),
        published=_decode_value(view.published),
        tags=_decode_value(view.tags) or {},
        headers=decode_headers(view.headers),
        key=view.run_key,
        partition=view.partition,
        priority=view.priority,
        parent=view.parent,
        due_at=to_datetime(view.due_at),
        deadline_at=to_datetime(view.deadline_at),
    )


def _decode_value(data: bytes | None) -> Any:
    return None if data is None else decode(data)


def make_step_info(line: "StepLine") -> StepInfo:
    """Return a step for code from its line for people."""
    return StepInfo(
        ident=line.ident,
        name=line.name,
        kind=line.kind,
        state=line.state,
        attempts=max((attempt.number for attempt in line.tries), default=0),
        result=None if line.output is None else decode(line.output),
        error=None if line.failure is None else line.failure.message,
    )
