"""The status command, `mainspring status`, and the output of a bare `mainspring`."""

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click
import msgspec

from mainspring.cli import exits
from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy_group import command
from mainspring.domain.errors import NoStoreError
from mainspring.domain.processes.process_role import ProcessRole
from mainspring.insight.status.project_status import ProjectStatus, evaluate_status, read_unresolved, status_icon
from mainspring.insight.text import formatting

if TYPE_CHECKING:
    from mainspring.store.base import StoreReader

_POLL_INTERVAL_S = 0.2
_NOTICING_ROLES = frozenset({ProcessRole.WORKER, ProcessRole.WATCHER, "app", "dev"})
"""Roles of processes that notice within seconds when another process of their machine dies."""

WELCOME_TEXT = """\
Mainspring runs scripts, tasks and workflows that survive kill -9. Four ways to begin:

  mainspring init shop                          a project with a workflow to play with
  mainspring exec -n backup -- ./backup.sh      wrap a command you have, for example in a crontab line
  mainspring doctor                             check this machine
  mainspring --help                             every command"""


@command("status", "show the status of the project in one sentence")
@click.option("--here", is_flag=True, help="only check the processes that `up` keeps on this machine: for probes")
@click.option("--wait-healthy", is_flag=True, help="wait until the status is healthy")
@click.option("--timeout", metavar="SPAN", default="60s", show_default=True, help="wait at most this long")
@click.option(
    "--since",
    metavar="TIME",
    help="print the handover of a shift since this time: 8h, 2026-01-05T22:00",
)
@pass_invocation
def status(invocation: Invocation, *, here: bool, wait_healthy: bool, timeout: str, since: str | None) -> int:
    """Ends with 9 if something needs you. With --wait-healthy it ends with 7 if that is still so at the timeout. With --here it ends with 9
    if a process that `mainspring up` keeps on this machine is missing or stuck. With --since the exit codes stay the same, and --json
    prints the handover.
    """
    if since is not None:
        if here or wait_healthy:
            raise click.UsageError("--since takes no other option", ctx=click.get_current_context())
        return _print_handover(invocation, since)
    if here:
        return _print_host_status(invocation)
    return _print_status(
        invocation, _wait_until_healthy(invocation, timeout) if wait_healthy else read_project_status(invocation)
    )


def _print_handover(invocation: Invocation, since: str) -> int:
    from mainspring.cli.params import read_instant
    from mainspring.cli.status.shift_handover import format_handover
    from mainspring.insight.status.handover import read_handover

    now, first_at = invocation.clock.now(), read_instant(invocation, since) or 0
    project_status = read_project_status(invocation)
    handover = invocation.unseal(
        lambda unsealer: invocation.read(lambda reader: read_handover(reader, first_at, now, opened_wait=unsealer.wait))
    )

    def print_text() -> None:
        _print(invocation, project_status, project_status.untold)
        for line in format_handover(handover, now, invocation.zone):
            invocation.output.line(line)

    invocation.output.document(handover, print_text)
    return exits.OK if project_status.healthy else exits.CHECK_FAILED


def _print_host_status(invocation: Invocation) -> int:
    from mainspring.app.processes.host_status import read_host_status

    host_status = invocation.read(lambda reader: read_host_status(reader, invocation.clock.now()))

    def print_text() -> None:
        output, is_complete = invocation.output, not host_status.missing
        icon, colour = (formatting.GOOD, "green") if is_complete else (formatting.BAD, "red")
        counts = (
            ", ".join(f"{host_status.live[role]} of {number} {role}" for role, number in host_status.expected.items())
            or "nothing"
        )
        output.line(f"{output.paint(icon, colour)} here: {counts}")
        for missing in host_status.missing:
            output.line(f"  missing: {formatting.escape_text(missing)}")

    invocation.output.document(host_status, print_text)
    return exits.CHECK_FAILED if host_status.missing else exits.OK


def print_welcome(invocation: Invocation) -> int:
    """Print the status inside a project, or the first steps outside of one."""
    if invocation.settings.file is None and not invocation.is_there():
        invocation.output.line(WELCOME_TEXT)
        return exits.OK
    return _print_status(invocation, read_project_status(invocation))


def _print_status(invocation: Invocation, project_status: ProjectStatus) -> int:
    invocation.output.document(project_status, lambda: _print(invocation, project_status, project_status.problems))
    return exits.OK if project_status.healthy else exits.CHECK_FAILED


def read_project_status(invocation: Invocation) -> ProjectStatus:
    """Return the status of the project. Raises NoStoreError."""
    from mainspring.cli.automations.new_files import describe_new_files
    from mainspring.store.read.status.status import audit_head

    store, environment = invocation.location, invocation.settings.project.environment

    def read_status(reader: "StoreReader") -> ProjectStatus:
        project_status = evaluate_status(
            reader,
            invocation.clock.now(),
            read_unresolved(reader),
            store=store,
            environment=environment,
            free=_read_free_bytes(invocation),
            write_fault=_find_write_fault(invocation),
            local_problems=[*_find_spool_faults(invocation), *_find_unnoticed_deaths(reader)],
            zone=invocation.zone,
        )
        head = audit_head(reader)
        notes = [*project_status.notes, *describe_new_files(invocation)]
        return msgspec.structs.replace(project_status, notes=notes, audit_head=None if head is None else str(head))

    return invocation.read(read_status)


def _read_free_bytes(invocation: Invocation) -> int | None:
    if invocation.settings.store.is_remote:
        return None
    from mainspring.store.sqlite.filesystem import free_bytes

    return free_bytes(invocation.path.parent) if invocation.is_there() else None


def _find_spool_faults(invocation: Invocation) -> list[str]:
    """Return why failed runs of wrapped commands are hidden in the spool, or may be, with the fix."""
    from mainspring.app.exec.project_spool import make_project_spool
    from mainspring.domain.states import RunState

    spool = make_project_spool(invocation.settings)
    fault = spool.find_fault()
    faults = [] if fault is None else [f"{fault.text[0].upper()}{fault.text[1:]}. Fix: {fault.fix}"]
    failed = sorted({record.run.automation for record in spool.read_records() if record.run.state is RunState.FAILED})
    if failed:
        names = formatting.escape_text(", ".join(failed))
        faults.append(f"Failed runs of wrapped commands wait in the spool: {names}. Import them: mainspring watch")
    return faults


def _find_unnoticed_deaths(reader: "StoreReader") -> Iterator[str]:
    """Yield runs and effects whose process died on this machine, if no process that notices it by itself runs there."""
    from mainspring.domain.states import EffectState
    from mainspring.store.liveness import find_dead, host_identity
    from mainspring.store.read.effects import EffectFilter, list_effects

    dead = {found.session for found in find_dead(reader)}
    roles = {role for id, role, *_ in reader.read("list_sessions_of_host", (host_identity(),)) if id not in dead}
    if roles & _NOTICING_ROLES:
        return
    for session in sorted(dead):
        for (run,) in reader.read("list_owned_runs", (session,)):
            yield (
                f"The process of run {run} died, and no process on this machine has recorded it. Record it: "
                "mainspring watch"
            )
    for effect in list_effects(reader, EffectFilter(state=EffectState.PENDING)).effects if dead else ():
        if effect.session in dead:
            yield (
                f"The process that performed effect {formatting.escape_line(effect.key, 80)} died, and its outcome is "
                f"not known: mainspring effects show {formatting.shell_word(effect.key)}"
            )


def _find_write_fault(invocation: Invocation) -> str:
    if invocation.settings.store.is_remote:
        return ""
    from mainspring.store.sqlite.filesystem import write_fault

    return write_fault(invocation.path.parent) if invocation.is_there() else ""


def _is_ready(project_status: ProjectStatus) -> bool:
    return project_status.healthy and project_status.workers > 0


def _wait_until_healthy(invocation: Invocation, timeout: str) -> ProjectStatus:
    from mainspring.domain.duration import parse_duration

    until = time.monotonic() + parse_duration(timeout).total_seconds()
    while True:
        try:
            project_status = read_project_status(invocation)
        except NoStoreError:  # `mainspring up` may be about to create it
            if time.monotonic() >= until:
                raise
            time.sleep(_POLL_INTERVAL_S)
            continue
        if _is_ready(project_status):
            return project_status
        if time.monotonic() >= until:
            hint = (
                project_status.problems[0]
                if project_status.problems
                else "No worker is running. Start one: mainspring up"
            )
            raise exits.WaitTimedOutError(f"not healthy after {timeout}", hint=hint)
        time.sleep(_POLL_INTERVAL_S)


def _print(invocation: Invocation, project_status: ProjectStatus, problems: list[str]) -> None:
    output = invocation.output
    icon, colour = status_icon(project_status)
    output.line(f"{output.paint(icon, colour)} {project_status.sentence}")
    for problem in problems:
        output.line(f"  {formatting.escape_text(problem)}")
    for note in project_status.notes:
        output.line(f"  {formatting.escape_text(note)}")
    output.hint(f"store {project_status.store} ({project_status.environment})")
    if project_status.audit_head:
        output.hint(
            f"audit log {project_status.audit_head} (mainspring audit-log verify --head {project_status.audit_head})"
        )
    if project_status.notice:
        output.hint(project_status.notice)
