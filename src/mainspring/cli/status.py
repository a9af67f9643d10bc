"""`mainspring status`, and what a bare `mainspring` says."""

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click
import msgspec

from mainspring.cli import exits
from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy import command
from mainspring.domain.errors import NoStoreError
from mainspring.domain.processes.process_role import ProcessRole
from mainspring.insight import words
from mainspring.insight.verdict import Verdict, judge, mark, unresolved

if TYPE_CHECKING:
    from mainspring.store.base import Reader

_POLL = 0.2
_NOTICING = frozenset({ProcessRole.WORKER, ProcessRole.WATCHER, "app", "dev"})
"""Roles of processes that notice within seconds that another one of their machine died."""

BEGIN = """\
Mainspring runs scripts, tasks and workflows that survive kill -9. Four ways to begin:

  mainspring init shop                          a project with a workflow to play with
  mainspring exec -n backup -- ./backup.sh      wrap a command you have, for example in a crontab line
  mainspring doctor                             check this machine
  mainspring --help                             every command"""


@command("status", "show the state of the project in one sentence")
@click.option("--here", is_flag=True, help="only whether what `up` keeps on this machine lives: for probes")
@click.option("--wait-healthy", is_flag=True, help="wait until nothing is wrong")
@click.option("--timeout", metavar="SPAN", default="60s", show_default=True, help="how long to wait at most")
@click.option(
    "--since",
    metavar="TIME",
    help="what a shift hands over: what opened, closed, was done and waits since then: 8h, 2026-01-05T22:00",
)
@pass_invocation
def status(invocation: Invocation, *, here: bool, wait_healthy: bool, timeout: str, since: str | None) -> int:
    """Ends with 9 if something needs you; with --wait-healthy with 7 if that is still so when the time is over. With --here with 9 if a
    process that `mainspring up` keeps on this machine is not there, or does not move. With --since as without, and --json is the handover.
    """
    if since is not None:
        if here or wait_healthy:
            raise click.UsageError("--since stands alone", ctx=click.get_current_context())
        return _hand_over(invocation, since)
    if here:
        return _here(invocation)
    return _say(invocation, _wait(invocation, timeout) if wait_healthy else verdict_now(invocation))


def _hand_over(invocation: Invocation, since: str) -> int:
    from mainspring.cli.handover import handover_lines
    from mainspring.cli.params import since_at
    from mainspring.insight.handover import handover

    now, first_at = invocation.clock.now(), since_at(invocation, since) or 0
    verdict = verdict_now(invocation)
    found = invocation.opened(
        lambda opening: invocation.read(lambda reader: handover(reader, first_at, now, opened_wait=opening.wait))
    )

    def text() -> None:
        _print(invocation, verdict, verdict.untold)
        for line in handover_lines(found, now, invocation.zone):
            invocation.output.line(line)

    invocation.output.document(found, text)
    return exits.OK if verdict.healthy else exits.CHECK_FAILED


def _here(invocation: Invocation) -> int:
    from mainspring.app.here import look_here

    found = invocation.read(lambda reader: look_here(reader, invocation.clock.now()))

    def text() -> None:
        output, good = invocation.output, not found.missing
        icon, colour = (words.GOOD, "green") if good else (words.BAD, "red")
        kept = ", ".join(f"{found.live[role]} of {number} {role}" for role, number in found.kept.items()) or "nothing"
        output.line(f"{output.paint(icon, colour)} here: {kept}")
        for one in found.missing:
            output.line(f"  missing: {words.shown(one)}")

    invocation.output.document(found, text)
    return exits.CHECK_FAILED if found.missing else exits.OK


def welcome(invocation: Invocation) -> int:
    """Say how things stand inside a project, how to begin outside of one."""
    if invocation.settings.file is None and not invocation.is_there():
        invocation.output.line(BEGIN)
        return exits.OK
    return _say(invocation, verdict_now(invocation))


def _say(invocation: Invocation, found: Verdict) -> int:
    invocation.output.document(found, lambda: _print(invocation, found, found.problems))
    return exits.OK if found.healthy else exits.CHECK_FAILED


def verdict_now(invocation: Invocation) -> Verdict:
    """Return how things stand. Raises NoStoreError."""
    from mainspring.cli.new_files import new_files_notes
    from mainspring.store.reads.status import audit_head

    store, environment = invocation.shown, invocation.settings.project.environment

    def found(reader: "Reader") -> Verdict:
        verdict = judge(
            reader,
            invocation.clock.now(),
            unresolved(reader),
            store=store,
            environment=environment,
            free=_free(invocation),
            write_fault=_write_fault(invocation),
            local_problems=[*_spool_faults(invocation), *_unnoticed_deaths(reader)],
            zone=invocation.zone,
        )
        head = audit_head(reader)
        notes = [*verdict.notes, *new_files_notes(invocation)]
        return msgspec.structs.replace(verdict, notes=notes, audit_head=None if head is None else str(head))

    return invocation.read(found)


def _free(invocation: Invocation) -> int | None:
    if invocation.settings.store.is_remote:
        return None
    from mainspring.store.sqlite.filesystem import free_bytes

    return free_bytes(invocation.path.parent) if invocation.is_there() else None


def _spool_faults(invocation: Invocation) -> list[str]:
    """Return why records of wrapped commands may wait in the spool unseen, with the fix; nothing if all of it can be read."""
    from mainspring.service.spool import Spool

    fault = Spool(invocation.settings.exec.spool, invocation.settings.spare_spool).find_fault()
    return [] if fault is None else [f"{fault.text[0].upper()}{fault.text[1:]}. Fix: {fault.fix}"]


def _unnoticed_deaths(reader: "Reader") -> Iterator[str]:
    """Yield runs whose process died on this machine, where no process lives that notices it by itself."""
    from mainspring.store.liveness import find_dead, host_identity

    dead = {found.session for found in find_dead(reader)}
    roles = {role for id, role, *_ in reader.read("list_sessions_of_host", (host_identity(),)) if id not in dead}
    if roles & _NOTICING:
        return
    for session in sorted(dead):
        for (run,) in reader.read("list_owned_runs", (session,)):
            yield f"The process of run {run} died, and no process here has taken note of it. Take note: mainspring watch"


def _write_fault(invocation: Invocation) -> str:
    if invocation.settings.store.is_remote:
        return ""
    from mainspring.store.sqlite.filesystem import write_fault

    return write_fault(invocation.path.parent) if invocation.is_there() else ""


def _is_ready(found: Verdict) -> bool:
    return found.healthy and found.workers > 0


def _wait(invocation: Invocation, timeout: str) -> Verdict:
    from mainspring.domain.duration import parse_duration

    until = time.monotonic() + parse_duration(timeout).total_seconds()
    while True:
        try:
            found = verdict_now(invocation)
        except NoStoreError:  # `mainspring up` may be about to create it
            if time.monotonic() >= until:
                raise
            time.sleep(_POLL)
            continue
        if _is_ready(found):
            return found
        if time.monotonic() >= until:
            why = found.problems[0] if found.problems else "No worker is running. Start one: mainspring up"
            raise exits.WaitTimedOutError(f"not healthy after {timeout}", hint=why)
        time.sleep(_POLL)


def _print(invocation: Invocation, found: Verdict, problems: list[str]) -> None:
    output = invocation.output
    icon, colour = mark(found)
    output.line(f"{output.paint(icon, colour)} {found.sentence}")
    for problem in problems:
        output.line(f"  {words.shown(problem)}")
    for note in found.notes:
        output.line(f"  {words.shown(note)}")
    output.hint(f"store {found.store} ({found.environment})")
    if found.audit_head:
        output.hint(f"audit log {found.audit_head} (mainspring audit-log verify --head {found.audit_head})")
    if found.notice:
        output.hint(found.notice)
