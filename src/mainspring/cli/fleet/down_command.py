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
@click.option("--timeout", default=60.0, show_default=True, metavar="SECONDS", help="wait so long for it to end")
@pass_invocation
def down(invocation: Invocation, timeout: float) -> int:
    """All that `up` keeps here, whatever their roles; workers drain: what is in flight ends, everything else goes on at the next start.

    One that is started while this waits is left alone: a service manager may start another at once.
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
            invocation.output.warn(f"process {left[0]} has not ended in {timeout:g} s; it still drains")
            return exits.TIMED_OUT
        time.sleep(0.05)
    stopped = [{"pid": pid} for pid, _ in signalled]
    invocation.output.document(stopped, "stopped" if signalled else "nothing was running")
    return exits.OK
