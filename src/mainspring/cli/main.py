"""Main entry point: parse, call one command, turn the outcome into an exit code.

Nothing heavy is imported here; the called command imports what it needs.
"""

import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from mainspring.cli import exits
from mainspring.cli.commands import COMMAND_TREE
from mainspring.cli.context import Invocation
from mainspring.cli.error_report import report_error
from mainspring.cli.lazy_group import LazyGroup
from mainspring.domain.errors import MainspringError
from mainspring.version import __version__

PROGRAM = "mainspring"


@click.group(
    cls=LazyGroup,
    tree=COMMAND_TREE,
    top=True,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    help="Run scripts, cron jobs and bots that survive crashes, never repeat a finished step, and notify you when they fail or stop.",
)
@click.version_option(__version__, message="mainspring %(version)s")
@click.pass_context
def root(ctx: click.Context) -> int | None:
    """Without a command: how things stand, or how to begin."""
    if ctx.invoked_subcommand is not None:
        return None
    from mainspring.cli.status.status_command import print_welcome

    return print_welcome(ctx.obj)


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and end the process."""
    invocation = Invocation()
    code = run_command_line(sys.argv[1:] if args is None else args, invocation)
    if invocation.ends_at_once:
        os._exit(code)  # to free every object of all modules takes Python a fifth of the time of a short command
    sys.exit(code)


def run_command_line(args: Sequence[str], invocation: Invocation | None = None) -> int:
    """Run the command line and return the exit code."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # the caller closed it: no one reads the output
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123 - for the whole process
    invocation = Invocation() if invocation is None else invocation
    if "--json" in args:  # an error while parsing must be JSON too
        invocation.flags.json = True
    try:
        code = _call_command(list(args), invocation)
        invocation.output.data.flush()
        if code == exits.OK and (fault := invocation.store_fault()) is not None:
            return _report_store_fault(fault, None, invocation)
    except BrokenPipeError:
        invocation.output.silence()
        return exits.OK
    except (click.Abort, KeyboardInterrupt):
        return exits.INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the last handler: any error becomes a message and a code
        if isinstance(error, OSError) and invocation.output.is_lost(error):
            error = exits.make_output_lost_error(error)
        if (fault := invocation.store_fault()) is not None:
            return _report_store_fault(fault, error, invocation)
        return report_error(error, invocation)
    finally:
        invocation.close()
    return code


def _report_store_fault(fault: MainspringError, error: Exception | None, invocation: Invocation) -> int:
    """Report the error, if any, of a suspect store. Return the exit code of the store's fault, which only --json prints here."""
    if invocation.output.is_json:
        return report_error(fault, invocation)
    if error is not None:
        report_error(error, invocation)
    return exits.find_exit_code(fault)


def _call_command(args: list[str], invocation: Invocation) -> int:
    try:
        result: Any = root.main(args, prog_name=PROGRAM, standalone_mode=False, obj=invocation)
    except (
        SystemExit
    ) as end:  # click ends this way when the reader of stdout went away, and after completing in a shell
        if os.environ.get(f"_{PROGRAM.upper()}_COMPLETE"):
            return int(end.code or 0)
        return exits.OK if end.code == 1 else int(end.code or 0)
    return result if isinstance(result, int) and not isinstance(result, bool) else exits.OK
