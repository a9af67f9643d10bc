"""Workers and other processes: `mainspring workers list|drain|quarantine`. A process is named by the number of its session."""

from typing import TYPE_CHECKING

import click

from mainspring.cli import params, short_lists
from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy_group import command
from mainspring.cli.table import TableColumn
from mainspring.domain.errors import ConflictError
from mainspring.domain.states import SessionState
from mainspring.insight.text import formatting

if TYPE_CHECKING:
    from mainspring.store.base import StoreReader
    from mainspring.store.session_views import SessionView

_STATE_COLOURS = {
    SessionState.ALIVE: "green",
    SessionState.DRAINING: "yellow",
    SessionState.DEAD: "red",
    SessionState.QUARANTINED: "red",
}


def _read_session_numbers(reader: "StoreReader") -> list[str]:
    from mainspring.store.read.status.status import sessions

    return [str(view.id) for view in sessions(reader, limit=1_000)]


SESSION = params.StoredNameType(_read_session_numbers, "session")


@command("list", "list processes that use the store")
@short_lists.add_list_options(*(state.value for state in SessionState))
@click.option("--all", "ended", is_flag=True, help="also list ended processes")
@pass_invocation
def list_command(
    invocation: Invocation, *, states: tuple[str, ...], name: str | None, since: str | None, limit: int, ended: bool
) -> None:
    """--name compares host and role, --since the start. A supervisor is listed with its roles. --json has the automations and versions that
    each process serves. MEMORY is the memory of the process, CORE its share of one core, both without children.
    """
    from mainspring.store.read.status.status import sessions

    live = not ended and not set(states) & {SessionState.CLOSED, SessionState.DEAD, SessionState.QUARANTINED}
    views: list[SessionView] = invocation.read(lambda reader: sessions(reader, live=live, limit=1000))
    rows = short_lists.filter_rows(
        invocation,
        views,
        name_of=lambda view: f"{view.hostname} {view.role}",
        state=lambda view: view.state,
        at=lambda view: view.opened_at,
        states=states,
        name=name,
        since=since,
        limit=limit,
    )
    now = invocation.clock.now()
    columns = [
        TableColumn("SESSION", lambda view: str(view.id), right=True),
        TableColumn("ROLE", _format_role),
        TableColumn("STATE", lambda view: view.state, lambda view: _STATE_COLOURS.get(view.state)),
        TableColumn("HOST", lambda view: formatting.escape_line(view.hostname), cut=True, most=24),
        TableColumn("PID", lambda view: str(view.pid), right=True, spare=True),
        TableColumn("QUEUES", _format_queues, cut=True, spare=True),
        TableColumn(
            "TAGS", lambda view: formatting.escape_line(", ".join(view.tags) or "-"), cut=True, spare=True, most=24
        ),
        TableColumn("VERSION", lambda view: f"deploy {view.deploy}" if view.deploy else "-", spare=True),
        TableColumn("RUNS", lambda view: str(view.running), right=True),
        TableColumn("OF", lambda view: str(view.capacity or "-"), right=True, spare=True),
        TableColumn("MEMORY", lambda view: formatting.format_bytes(view.memory), right=True, spare=True),
        TableColumn("CORE", lambda view: formatting.format_core_share(view.processor), right=True, spare=True),
        TableColumn(
            "BEAT",
            lambda view: formatting.format_distance(view.beat_at, now) if view.beat_at > view.opened_at else "-",
        ),
        TableColumn("SINCE", lambda view: formatting.format_distance(view.opened_at, now), spare=True),
    ]
    invocation.output.rows(rows, columns, empty="No process uses the store. Start a worker: mainspring up")


@command("drain", "let a worker finish running steps and claim no more runs")
@click.argument("session", type=SESSION)
@pass_invocation
def drain(invocation: Invocation, session: str) -> None:
    """SESSION is the number in `mainspring workers list`."""
    from mainspring.service.worker import drain as drain_worker

    drain_worker(invocation.store, _read_session_number(invocation, session), act=invocation.act)
    invocation.output.document({"session": int(session), "draining": True}, f"Worker {session} claims no more runs.")


@command("quarantine", "end a worker at once and free its runs")
@click.argument("session", type=SESSION)
@pass_invocation
def quarantine(invocation: Invocation, session: str) -> None:
    """It can no longer write, and other workers continue its runs. Its supervisor kills it, and starts no other until you start `mainspring
    up` again there. A request to another system that is on its way may still happen. Needs -y.
    """
    from mainspring.service.worker import quarantine as quarantine_worker
    from mainspring.store.read.status.status import sessions

    number = _read_session_number(invocation, session)
    if any(
        session.id == number and session.role == "supervisor" for session in sessions(invocation.reader, limit=1_000)
    ):
        raise ConflictError(
            f"session {number} is a supervisor, which has no runs",
            hint="Quarantine its workers, or stop it on its machine: mainspring down",
        )
    invocation.confirm(f"Quarantine worker {number}")
    freed = quarantine_worker(invocation.store, number, act=invocation.act)
    text = f"Worker {number} is quarantined; {formatting.format_count(freed, 'run')} released."
    invocation.output.document({"session": number, "freed": freed}, text)


def _format_role(view: "SessionView") -> str:
    roles_text = f" of {', '.join(dict.fromkeys(view.posts))}" if view.posts else ""
    return formatting.escape_line(f"{view.role}{roles_text}", 50)


def _format_queues(view: "SessionView") -> str:
    if not view.automations:  # it claims nothing
        return "-"
    return "all" if view.queues is None else formatting.escape_line(", ".join(view.queues), 24)


def _read_session_number(invocation: Invocation, session: str) -> int:
    return int(short_lists.require_known_name("worker", session, _read_session_numbers(invocation.reader)))
