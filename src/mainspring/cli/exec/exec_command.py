"""The exec command, `mainspring exec`: wrap any command, as one line of a crontab."""

import contextlib
import os
import sys
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import click

from mainspring.app.exec.plan import FAILURE_EXIT_CODE, LOCK_HELD_EXIT_CODE, ExecPlan
from mainspring.app.exec.process import ExecProcess
from mainspring.app.exec.self_watch import watch_own_automation
from mainspring.app.exec.signal_forwarding import print_notice
from mainspring.app.exec.store_outage import StoreOutageReporter
from mainspring.app.exec.trace_export import export_own_trace
from mainspring.app.setup.process_policy import apply_process_policy
from mainspring.cli.context import Invocation
from mainspring.cli.exec.secret_options import add_secret_options
from mainspring.cli.exec.standard_streams import fill_standard_streams
from mainspring.cli.lazy_group import FlaggedCommand
from mainspring.config import Settings, find_spool_without_settings, load, misspelt_variables
from mainspring.config.locations import ProcessSurroundings, resolve_store_url
from mainspring.domain.clock import SystemClock
from mainspring.domain.definitions.options import OPTIONS, DefinitionKind, OptionGroup
from mainspring.domain.duration import parse_duration
from mainspring.domain.errors import ConfigError, MainspringError, OptionError
from mainspring.domain.failures.retry import Retry
from mainspring.domain.text.escaping import MAX_NAME_LENGTH, escape, is_valid_name
from mainspring.domain.text.lazy_pattern import lazy_pattern
from mainspring.engine.commands.exec_run import ExecRunSpec
from mainspring.engine.definitions.command_definition import build_command_definition
from mainspring.resources.secret_variables import SECRET_VARIABLES

_UNSAFE_NAME_PART = lazy_pattern(r"[^A-Za-z0-9_.-]+")
_MAX_WORDS, _MAX_WORD_LENGTH = (
    100,
    500,
)  # of a command in its definition; the command may be as long as the system allows
_SHARED_OPTION_GROUPS = (OptionGroup.WHO, OptionGroup.WATCH)
HELP_LINE = "run any command with a record, lock, retries and timeout"


class ExecCommand(FlaggedCommand):
    """Ends with 125 where other commands end with 2: the small codes are those of the wrapped command, as with GNU timeout."""

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """Read the arguments."""
        with _map_errors_to_exit_code():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        fill_standard_streams()
        with _map_errors_to_exit_code():
            return super().invoke(ctx)


class _ExecUsageError(click.UsageError):
    """A usage error of `exec`."""

    exit_code = FAILURE_EXIT_CODE

    def __init__(self, error: click.UsageError) -> None:
        super().__init__(error.format_message(), error.ctx)


@contextlib.contextmanager
def _map_errors_to_exit_code() -> Any:
    try:
        yield
    except click.UsageError as error:
        raise _ExecUsageError(error) from None
    except (click.ClickException, click.exceptions.Exit, click.Abort):
        raise
    except Exception as error:
        # A fault of Mainspring must not look like an exit code of the command.
        print_notice(f"this is a bug of Mainspring: {type(error).__name__}: {error}")
        raise click.exceptions.Exit(FAILURE_EXIT_CODE) from error


def _make_callback(read: Callable[[str], Any]) -> Callable[[click.Context, click.Parameter, str | None], Any]:
    """Return a callback that reads a value as the rest of the program does."""

    def callback(ctx: click.Context, param: click.Parameter, value: str | None) -> Any:
        try:
            return None if value is None else read(value)
        except MainspringError as error:
            raise click.BadParameter(str(error), ctx=ctx, param=param) from None

    return callback


def _read_printable(text: str) -> str:
    """Read a free name: it is printed, compared, and made part of a file's name."""
    if not is_valid_name(text):
        raise OptionError(
            f"{escape(text, 60)!r} cannot be a name",
            hint=f"Write 1 to {MAX_NAME_LENGTH} printable characters in one line, not all of them blank.",
        )
    return text


@click.command(
    "exec",
    cls=ExecCommand,
    short_help=HELP_LINE,
    context_settings={"ignore_unknown_options": False, "allow_interspersed_args": False},
)
@click.option(
    "-n",
    "--name",
    metavar="NAME",
    callback=_make_callback(OPTIONS["name"].read),
    help="name of the automation (default: name of the command)",
)
@click.option(
    "--key",
    metavar="KEY",
    callback=_make_callback(_read_printable),
    help="do not run again after a run with this key succeeded",
)
@click.option(
    "--timeout", metavar="D", callback=_make_callback(parse_duration), help="end an attempt after this time (30s, 20m)"
)
@click.option(
    "--heartbeat",
    metavar="D",
    callback=_make_callback(parse_duration),
    help="end an attempt that writes no output for this time",
)
@click.option(
    "--kill-after",
    metavar="D",
    callback=_make_callback(parse_duration),
    help="kill it this long after --timeout or --heartbeat (default 5s)",
)
@click.option("--retry", metavar="N", type=click.IntRange(1, 10_000), help="make up to N attempts (default 1)")
@click.option(
    "--retry-wait",
    metavar="D",
    callback=_make_callback(parse_duration),
    help="wait before the first retry; doubles each time, with jitter (default 2s)",
)
@click.option(
    "--lock",
    metavar="NAME",
    callback=_make_callback(_read_printable),
    help="never run while another command has this lock",
)
@click.option(
    "--slots",
    metavar="N",
    type=click.IntRange(1, 1_000),
    default=1,
    help="let up to N commands have the --lock at once (default 1)",
)
@click.option(
    "--lock-wait",
    metavar="D",
    callback=_make_callback(parse_duration),
    help="wait at most this long for the lock (default: do not wait)",
)
@click.option(
    "--lock-exit",
    metavar="N",
    type=click.IntRange(0, 255),
    default=LOCK_HELD_EXIT_CODE,
    help="exit with this code if the lock is held (default 75)",
)
@click.option(
    "--produces", metavar="GLOB", multiple=True, help="succeed only with a new, filled file here; {slot:%F} is its day"
)
@click.option(
    "--cron",
    metavar="EXPR",
    multiple=True,
    help="schedule of your crontab line: you are notified if no success comes in time",
)
@click.option("--every", metavar="D", help="instead of --cron: how often something starts it")
@click.option(
    "--tz",
    metavar="ZONE",
    callback=_make_callback(OPTIONS["tz"].read),
    help="the time zone of --cron (default: project.timezone, else that of the system, by which cron counts)",
)
@click.option("--grace", metavar="D", help="allow a success to be this late (default: one period, at most 6h)")
@click.option("--owner", metavar="WHO", help="person or team that is responsible")
@click.option("--runbook", metavar="PAGE", help="page that says what to do when it fails")
@click.option(
    "--fail-open/--fail-closed",
    default=None,
    help="run the command, or do not, if the store is unavailable (default: run it)",
)
@click.option("--no-fail-open", "fail_open", flag_value=False, type=bool, hidden=True)
@click.option(
    "--pass-env",
    metavar="NAME",
    multiple=True,
    help="pass PGPASSWORD, MAINSPRING_STORE_URL or MAINSPRING_SECRET_* to the command",
)
@add_secret_options
@click.option("-v", "--verbose", is_flag=True, help="print which store and spool are used")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- COMMAND...")
@click.pass_context
def exec_command(ctx: click.Context, /, command: tuple[str, ...], **given: Any) -> None:
    """run any command with a record, lock, retries and timeout

    \b
      0 3 * * *  mainspring exec -n backup --cron '0 3 * * *' --lock backup -- ./backup.sh

    The exit code is the command's own. Others, as GNU timeout and a shell have them:

    \b
      124  --timeout or --heartbeat ended it        126  it cannot be run
      125  mainspring failed, the command did not   127  it was not found
      1    it ended well but --produces is not met  128+n  signal n ended it
      75   the lock or key is in use: nothing ran   0    its --key had succeeded before

    If the lock is held, the exit code is 75: try again later. Write --lock-exit 0 if an overlap does not matter. Input, output and errors
    pass through unchanged, and so do TERM, INT and HUP.

    If the store is unavailable, the command runs all the same. The record waits in the spool until the next exec, up or watch imports it,
    and the lock still works on this host.

    The environment of the command holds MAINSPRING_RUN_ID, MAINSPRING_ATTEMPT, MAINSPRING_IDEMPOTENCY_KEY and, near a time of --cron,
    MAINSPRING_SLOT. It holds PGPASSWORD, MAINSPRING_STORE_URL and MAINSPRING_SECRET_* only with --pass-env.
    """  # noqa: D301 - \b is for click, and the first line is a line of a list
    flags = getattr(ctx.obj, "flags", None)
    given["verbose"] |= bool(getattr(flags, "verbose", False))
    settings = _read_settings(flags, fail_open=given["fail_open"] is not False)
    SECRET_VARIABLES.allow(given["pass_env"])
    if settings is not None:
        apply_process_policy(settings)
    fail_open = given["fail_open"] if given["fail_open"] is not None else settings is None or settings.exec.fail_open
    try:
        plan = _make_plan(list(command), given, settings, flags, fail_open=fail_open)
        process = ExecProcess(plan)
    except MainspringError as error:
        raise click.UsageError(str(error), ctx=ctx) from None
    code = process.run()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    if process.is_stuck:
        os._exit(code)  # a thread may wait for a lock or a disk without end
    if isinstance(ctx.obj, Invocation):
        ctx.obj.ends_at_once = not plan.rules  # a module with rules may have exit handlers
    ctx.exit(code)


def _read_settings(flags: Any, *, fail_open: bool) -> Settings | None:
    """Return the settings; None if they cannot be read and the command should run all the same."""
    given_flags = _settings_flags(flags)
    config = getattr(flags, "config", None)
    for name, known_name in misspelt_variables(os.environ):
        print_notice(f"nothing reads the variable {name}: did you mean {known_name}?")
    try:
        if given_flags["store.url"] is not None:
            resolve_store_url(
                ProcessSurroundings(os.environ, Path.cwd(), os.getuid()), given_flags["store.url"], Path()
            )
    except (
        OptionError
    ) as error:  # an option of exec is invalid; an invalid file or variable counts as an unavailable store
        raise click.UsageError(f"--store: {error}") from None
    try:
        return load(
            env=os.environ,
            cwd=Path.cwd(),
            uid=os.getuid(),
            flags=given_flags,
            config=None if config is None else Path(config),
        )
    except (ConfigError, OSError) as error:
        if not fail_open:
            raise click.UsageError(str(error)) from None
        print_notice(f"the configuration cannot be read: {error}")
        return None


def _make_plan(
    command: list[str], given: dict[str, Any], settings: Settings | None, flags: Any, *, fail_open: bool
) -> ExecPlan:
    """Return the plan of the call.

    Raises:
        OptionError, UnknownNameError: an option cannot be used.
    """
    shared = {} if settings is None else settings.default_options
    options = {name: value for name, value in shared.items() if OPTIONS[name].group in _SHARED_OPTION_GROUPS}
    if given["cron"]:
        options |= {"cron": list(given["cron"]), "tz": given["tz"] or _find_zone(settings)}
    retry = None
    if given["retry"] is not None:
        wait = given["retry_wait"]
        longest = None if wait is None else max(wait, timedelta(minutes=10))
        retry = Retry(given["retry"], initial=wait, max=longest)
    given_options = {
        **{name: given[name] for name in ("every", "grace", "owner", "runbook", "timeout", "heartbeat")},
        "retry": retry,
        "produces": list(given["produces"]) or None,
    }
    if given["tz"] and not given["cron"]:
        given_options["tz"] = given["tz"]
    options |= {name: value for name, value in given_options.items() if value is not None}
    printed_words = [word[:_MAX_WORD_LENGTH] for word in command[:_MAX_WORDS]]
    definition = build_command_definition(
        DefinitionKind.EXEC,
        _derive_name(command[0]) if given["name"] is None else given["name"],
        printed_words,
        options,
    )
    if given["lock"] is None and (given["slots"] != 1 or given["lock_wait"] is not None):
        raise OptionError("--slots and --lock-wait are about a lock, and none is named", hint="Add --lock NAME.")
    now_at = SystemClock().now()
    return ExecPlan(
        wrapping=ExecRunSpec(
            definition=definition,
            words=command,
            retry=retry,
            timeout=given["timeout"],
            heartbeat=given["heartbeat"],
            produces=tuple(definition.expand(pattern, {}, now_at) for pattern in definition.option("produces")),
            kill_after=5.0 if given["kill_after"] is None else given["kill_after"].total_seconds(),
            key=given["key"],
        ),
        store=settings.store.url if settings is not None else None,
        **_find_spools(settings, flags),
        lock=given["lock"],
        slots=given["slots"],
        lock_wait=given["lock_wait"] or timedelta(0),
        lock_exit=given["lock_exit"],
        rules=() if settings is None or retry is None else settings.project.classify,
        folder=Path() if settings is None else settings.folder,
        **({} if settings is None else _make_reports(settings)),
        fail_open=fail_open,
        verbose=given["verbose"],
        **_read_secrets(settings, given, definition.name),
    )


def _make_reports(settings: Settings) -> dict[str, Any]:
    """Return what reports the end of the command and outages, as fields of an ExecPlan."""
    outages = StoreOutageReporter(settings, SystemClock())
    return {
        "watch": partial(watch_own_automation, settings),
        "report_outage": outages.report,
        "report_unrecorded": outages.report_unrecorded,
        "trace": partial(export_own_trace, settings),
    }


def _find_zone(settings: Settings | None) -> str:
    """Return the time zone of --cron: the stated one, else that of the system, because cron starts the command."""
    if settings is not None and "project.timezone" in settings.sources:
        return settings.project.timezone
    from mainspring.config.system_zone import find_system_zone

    return find_system_zone(os.environ)


def _read_secrets(settings: Settings | None, given: dict[str, Any], automation: str) -> dict[str, Any]:
    """Return the secrets for the command, or why it does not run without one of them, as fields of an ExecPlan."""
    names = given["secrets"], given["secret_files"]
    if not any(names):
        return {}
    # Imported late: few commands need it.
    from mainspring.app.exec.command_secrets import read_command_secrets
    from mainspring.service.actor import user_name

    try:
        return {
            "secrets": read_command_secrets(settings, *names, automation=automation, actor=f"exec of {user_name()}")
        }
    except MainspringError as error:
        return {"refusal": error}


def _find_spools(settings: Settings | None, flags: Any) -> dict[str, Any]:
    """Return the folders of records, as fields of an ExecPlan."""
    if settings is not None:
        return {
            "spool": settings.exec.spool,
            "spare_spool": settings.spare_spool,
            "unclaimed_spool": settings.unclaimed_spool,
            "store_folder": settings.store.folder,
        }
    config = getattr(flags, "config", None)
    with contextlib.suppress(MainspringError, OSError):
        spool = find_spool_without_settings(
            env=os.environ,
            cwd=Path.cwd(),
            uid=os.getuid(),
            flags=_settings_flags(flags),
            config=None if config is None else Path(config),
        )
        return {
            "spool": spool.folder,
            "spare_spool": spool.spare,
            "store_folder": spool.store_folder,
            "claimed": spool.is_of_store,
            "config": None if spool.config is None else str(spool.config),
        }
    return {"spool": None}


def _settings_flags(flags: Any) -> dict[str, Any]:
    return {"store.url": getattr(flags, "store", None), "project.environment": getattr(flags, "environment", None)}


def _derive_name(word: str) -> str:
    """Return a name derived from the command's own."""
    return _UNSAFE_NAME_PART.sub("-", Path(word).name).strip("-.") or "command"
