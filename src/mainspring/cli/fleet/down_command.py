"""The down command, `mainspring down`: stop what `up` started on this machine."""

import contextlib
import os
import signal
import time

import click

from mainspring.cli import exits
from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.fleet.supervisor_run import find_local_supervisors
from mainspring.cli.lazy_group import command


@command("down", "stop what `up` started")
@click.option(
    "--timeout", default=60.0, show_default=True, metavar="SECONDS", help="wait at most this long for the end"
)
@pass_invocation
def down(invocation: Invocation, timeout: float) -> int:
    """Stops every `up` of this store on this machine. Workers drain: running steps end, and everything else continues at the next start.

    A process that starts while this command waits is not stopped: a service manager may start one. If something still runs after --timeout,
    the exit code is 7.
    """
    invocation.require_store()
    signalled = [(session.pid, session.pid_started) for session in find_local_supervisors(invocation)]
    for pid, _ in signalled:
        with contextlib.suppress(ProcessLookupError):  # it ended meanwhile
            os.kill(pid, signal.SIGTERM)
    until = time.monotonic() + timeout
    while left := [
        session.pid for session in find_local_supervisors(invocation) if (session.pid, session.pid_started) in signalled
    ]:
        if time.monotonic() >= until:
            invocation.output.warn(f"process {left[0]} has not ended after {timeout:g} s: it still drains")
            return exits.TIMED_OUT
        time.sleep(0.05)
    stopped = [{"pid": pid} for pid, _ in signalled]
    invocation.output.document(stopped, "stopped" if signalled else "nothing was running")
    return exits.OK
