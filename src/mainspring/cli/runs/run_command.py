"""The run command, `mainspring run NAME ...`: start a run, by default execute it here if no worker does, and follow it to its end."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import click
import msgspec

from mainspring.cli import exits, params
from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy_group import command
from mainspring.cli.runs.run_arguments import read_arguments
from mainspring.cli.runs.run_wait import wait_for_end
from mainspring.domain.errors import (
    ArgumentError,
    DefinitionError,
    MainspringError,
    NotFoundError,
    UnknownNameError,
)
from mainspring.insight.text.typed_instants import parse_instant

if TYPE_CHECKING:
    from mainspring.domain.definitions.start_options import StartOptions
    from mainspring.engine.definitions.automation import Automation
    from mainspring.engine.definitions.registry import Registry
    from mainspring.store.commands.results import StartAnswer
    from mainspring.store.views import AutomationView


@command("run", "start a run and wait for its result", context_settings={"help_option_names": []})
@click.argument("name", type=params.AUTOMATION, required=False, metavar="NAME")
@click.argument("arguments", nargs=-1)
@click.option(
    "-m", "modules", metavar="MODULE_OR_FILE", multiple=True, help="load this code too: jobs.py or package.module"
)
@click.option("--key", help="start at most one run with this key")
@click.option(
    "--key-policy",
    type=click.Choice(["reuse", "restart", "one_live", "replace"]),
    default="reuse",
    help="if the key has a run: show it (reuse), start another if it failed (restart), has ended (one_live), or after a cancel (replace)",
)
@click.option(
    "--join",
    type=click.Choice(["same", "any"]),
    default="same",
    help="any: with one_live, join a run with another input, too",
)
@click.option(
    "--request-id", metavar="ID", help="the id of this start: used again within 24 hours, it shows the same run"
)
@click.option("--retry", metavar="N", type=int, help="let the run continue after a failure, up to N attempts in all")
@click.option("--at", metavar="TIME", help="start at this time (ISO), or after this time (10m)")
@click.option("--queue", help="use this queue")
@click.option("--priority", type=int, help="start higher numbers first")
@click.option(
    "--header", "headers", metavar="NAME=VALUE", multiple=True, help="add this header to the run; may be repeated"
)
@click.option("--watch", is_flag=True, help="print each step when it ends (on stderr)")
@click.option("--detach", is_flag=True, help="do not wait for the end")
@click.option("--timeout", metavar="SPAN", help="wait at most this long for the end")
@click.option(
    "--help", "-h", "is_help_requested", is_flag=True, help="show this help; after NAME: its parameters and an example"
)
@pass_invocation
def run_command(
    invocation: Invocation,
    /,
    name: str | None,
    arguments: tuple[str, ...],
    modules: tuple[str, ...],
    *,
    is_help_requested: bool,
    **given: Any,
) -> int:
    """ARGUMENTS are name=value words, converted by the annotations; or one JSON object; or @FILE or - (stdin) with a JSON object.

    Waits for the end of the run and prints its result. If no worker is running, this command executes the run and its children itself.
    """
    if name is None:
        return _print_command_help(is_help_requested=is_help_requested)
    seconds = _read_seconds(given["timeout"])  # before anything starts, like all that can be refused
    invocation.refuse_mistyped_store()
    registry = invocation.registry(modules)
    automation = registry.choose_version(
        find_automation(invocation, registry, name), partial(_find_version_in_force, invocation)
    )
    if is_help_requested:
        return _print_automation_help(invocation, automation)
    data = read_arguments(automation, arguments, invocation.sealing.limit)
    options = _make_start_options(invocation, given)
    has_worker = _has_live_worker(invocation, automation, options)
    if has_worker:
        _warn_of_other_code(invocation, automation)
    if given["detach"] or options.due_at is not None:
        return _start_detached(invocation, automation, data, options)
    if has_worker:
        started = _start_run(invocation, automation, data, options)
        with _print_run_id_on_error(invocation, started):
            if given["watch"]:
                from mainspring.cli.runs.watch import follow_run

                return follow_run(invocation, started.run, given["timeout"])
            return wait_for_end(invocation, started.run, timeout=seconds)
    return _run_worker_here(invocation, registry, automation, data, options, given)


def _print_command_help(*, is_help_requested: bool) -> int:
    ctx = click.get_current_context()
    if not is_help_requested:
        raise click.MissingParameter(ctx=ctx, param=ctx.command.params[0], param_hint="'NAME'")
    click.echo(ctx.get_help())
    return exits.OK


def find_automation(invocation: Invocation, registry: "Registry", name: str) -> "Automation":
    """Return an automation of the loaded code. Raises NotFoundError, UnknownNameError, DefinitionError: it cannot be used."""
    try:
        return registry.get(name)
    except UnknownNameError:
        own_problem = next((problem for problem in registry.problems if problem.automation == name), None)
        if own_problem is not None:
            place = "" if own_problem.where in own_problem.what else f"\nat {own_problem.where}"
            raise DefinitionError(f"{name!r} cannot be used: {own_problem.what}{place}", hint=own_problem.how) from None
        for problem in registry.problems:
            invocation.output.warn(f"{problem.where}: {problem.what}\n{problem.how}")
        file = _find_announced_file(invocation, name)
        if file and file not in registry.loaded:
            raise NotFoundError(
                f"{name} is defined in {file}, which is not loaded here", hint=f"Add -m {file}"
            ) from None
        raise


def _find_version_in_force(invocation: Invocation, name: str) -> int | None:
    from mainspring.store.read.rollouts import read_version_in_force

    return invocation.read_if_made(lambda reader: read_version_in_force(reader, name), None)


def _read_announced(invocation: Invocation, name: str) -> "list[AutomationView]":
    from mainspring.store.read.status.status import automations

    return invocation.read_if_made(lambda reader: automations(reader, name), [])


def _warn_of_other_code(invocation: Invocation, automation: "Automation") -> None:
    """Print that the workers loaded another version of the function than this command: they execute the run with theirs."""
    name, fingerprint = automation.name, automation.definition.fingerprint
    if any(view.fingerprint not in ("", fingerprint) for view in _read_announced(invocation, name)):
        invocation.output.warn(
            f"workers that are running have other code of {name} than {automation.definition.file or 'this command'}, "
            "and execute the run with theirs. After a change of the file, restart `mainspring up`."
        )


def _find_announced_file(invocation: Invocation, name: str) -> str:
    """Return the file from which a worker announced an automation; "" if none did."""
    from mainspring.domain.definitions.definition import Definition, DefinitionKind

    views = _read_announced(invocation, name)
    if not views or not views[0].definition:
        return ""
    definition = Definition.from_data(msgspec.json.decode(views[0].definition))
    return "" if definition.kind is DefinitionKind.EXEC else definition.file


def _make_start_options(invocation: Invocation, given: dict[str, Any]) -> "StartOptions":
    from mainspring.domain.definitions.start_options import StartOptions

    at = given["at"]
    return StartOptions(
        key=given["key"],
        key_policy=given["key_policy"],
        join=given["join"],
        request_id=given["request_id"],
        retry=given["retry"],
        due_at=None if at is None else parse_instant(at, invocation.clock.now(), invocation.zone, back=False),
        queue=given["queue"],
        priority=given["priority"],
        headers=_read_headers(given["headers"]),
        awaited=at is None and not given["detach"],
    )


def _read_headers(words: tuple[str, ...]) -> dict[str, str] | None:
    """Return the headers of --header NAME=VALUE; None = there are none."""
    headers: dict[str, str] = {}
    for word in words:
        name, sign, value = word.partition("=")
        if not sign:
            raise ArgumentError(f"--header {word!r} has no value", hint="Write --header NAME=VALUE.")
        if name.strip().lower() in headers:
            raise ArgumentError(
                f"--header {name.strip().lower()} is given more than once",
                hint="Write each header once: names ignore case.",
            )
        headers[name.strip().lower()] = value
    return headers or None


def _start_run(invocation: Invocation, automation: "Automation", data: bytes, options: "StartOptions") -> "StartAnswer":
    from mainspring.app.project import Project

    store = invocation.make_store()
    for limits in Project(invocation.settings).queues():
        store.apply(limits)
    started = invocation.engine().start(automation.definition, data, act=invocation.act, options=options)
    if not started.created:
        invocation.output.warn(f"this key has a run already: run {started.run} is {started.state}")
    return started


def _make_up_command(invocation: Invocation, run_id: str) -> str:
    """Return the command that starts a worker for a run; without its file if the store cannot be read."""
    from mainspring.store.read.status.status import blocker

    blocked = None
    with suppress(MainspringError):
        blocked = blocker(invocation.reader, run_id)
    return invocation.up_command.start(None if blocked is None else blocked.automation)


@contextmanager
def _print_run_id_on_error(invocation: Invocation, started: "StartAnswer") -> Iterator[None]:
    """Print the run's id if this command fails after the start: a caller that repeats the command would start another run."""
    try:
        yield
    except (
        exits.WaitTimedOutError,
        exits.OutputLostError,
    ):  # the first names the run; after the second nothing can be printed
        raise
    except MainspringError:
        run = started.run
        invocation.output.document({"run": run, "state": started.state}, run)
        if not invocation.output.is_json:
            invocation.output.warn(
                f"run {run} was started, is {started.state}, and continues when a worker runs: "
                f"{_make_up_command(invocation, run)}\nWatch it: mainspring runs watch {run}. Cancel it: "
                f"mainspring runs cancel {run}"
            )
        raise


def _read_seconds(span: str | None) -> float | None:
    from mainspring.domain.duration import parse_duration

    return None if span is None else parse_duration(span).total_seconds()


def _start_detached(invocation: Invocation, automation: "Automation", data: bytes, options: "StartOptions") -> int:
    run_id = _start_run(invocation, automation, data, options).run
    invocation.output.document({"run": run_id}, run_id)
    invocation.output.hint(f"see: mainspring runs show {run_id}")
    return exits.OK


def _has_live_worker(invocation: Invocation, automation: "Automation", options: "StartOptions") -> bool:
    """Return whether a live worker has this automation in this version, and takes runs from the run's queue and tag."""
    from mainspring.domain.processes.tag_expression import matches
    from mainspring.domain.states import SessionState
    from mainspring.store.read.status.status import sessions

    definition = automation.definition
    queue, tag = options.queue or definition.option("queue"), definition.option("tag")
    return any(
        session.role in ("worker", "app")
        and session.state == SessionState.ALIVE
        and definition.version in session.automations.get(definition.name, ())
        and (session.queues is None or queue in session.queues)
        and (tag is None or matches(tag, session.tags))
        for session in invocation.rows_if_made(lambda reader: sessions(reader, limit=1_000))
    )


def _run_worker_here(
    invocation: Invocation,
    registry: "Registry",
    automation: "Automation",
    data: bytes,
    options: "StartOptions",
    given: dict[str, Any],
) -> int:
    """Run a worker in this process until the run ends. It takes only this run and its children, for it soon ends."""
    import asyncio
    import os

    from mainspring.app.application import App
    from mainspring.app.project import Project
    from mainspring.engine.attempts.processes.process_lifetime import protect_memory
    from mainspring.resources.secret_variables import SECRET_VARIABLES

    invocation.make_store().check_session_lock()  # without the lock this process cannot be a worker
    # Before the worker opens: a start fails in time, a worker waits for the store.
    started = _start_run(invocation, automation, data, options)
    app = App.of(Project(invocation.settings), registry)
    _warn_of_schedule(invocation, automation)

    async def work() -> int:
        async with app.running(schedules=False, one_run=True):
            app.work_on(started.run)
            if given["watch"]:
                from mainspring.cli.runs.watch import follow_run

                return await asyncio.to_thread(
                    follow_run, invocation, started.run, given["timeout"], is_worked_here=True
                )
            seconds = _read_seconds(given["timeout"])
            return await asyncio.to_thread(wait_for_end, invocation, started.run, timeout=seconds, stays=False)

    protect_memory()
    SECRET_VARIABLES.take(os.environ)
    try:
        with _print_run_id_on_error(invocation, started):
            return asyncio.run(work())
    finally:
        SECRET_VARIABLES.give_back(os.environ)


def _warn_of_schedule(invocation: Invocation, automation: "Automation") -> None:
    """Print that the schedule is stored from now on, if no process will load the code of its runs."""
    import shlex

    definition, up = automation.definition, invocation.up_command
    if not definition.schedules or up.is_loaded(definition):
        return
    name = definition.name
    invocation.output.hint(
        f"The schedule of {name} is stored. Only a worker that loads its file starts the due runs.\nStart "
        f"one: {up.start_with(definition)}. To end the schedule: mainspring auto retire "
        f"{shlex.quote(name)}"
    )


def _print_automation_help(invocation: Invocation, automation: "Automation") -> int:
    from mainspring.domain.values.arguments import make_example

    definition = automation.definition
    lines = [f"mainspring run {automation.name} [NAME=VALUE ...]", ""]
    if definition.doc:
        lines += [definition.doc, ""]
    properties = definition.parameters.get("properties", {})
    required = definition.parameters.get("required", [])
    for name, schema in properties.items():
        kind = schema.get("type") or schema.get("$ref", "any").rpartition("/")[2]
        tail = "required" if name in required else f"default {msgspec.json.encode(schema.get('default')).decode()}"
        lines.append(f"  {name}  {kind}  ({tail})")
    example = make_example(automation.signature) if automation.signature is not None else {}
    lines += [
        "",
        "options of every run: mainspring run --help",
        "",
        "example",
        f"  mainspring run {automation.name} '{msgspec.json.encode(example).decode()}'",
    ]
    invocation.output.document(
        {"name": automation.name, "parameters": definition.parameters, "example": example}, "\n".join(lines)
    )
    return exits.OK
