"""Decisions on an effect: `mainspring effects forget|confirm`."""

from contextlib import suppress

import click

from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.effects.effect_key import EFFECT, require_known_key
from mainspring.cli.lazy_group import command
from mainspring.domain.errors import NotFoundError
from mainspring.insight.text import formatting


@command("forget", "delete the record of an effect, so that the next call performs it")
@click.argument("key", type=EFFECT)
@pass_invocation
def forget(invocation: Invocation, key: str) -> None:
    """For an effect that did not happen, or that should happen again. A live holder keeps its effect. Needs -y; give a --reason."""
    from mainspring.service.effect import forget_effect

    require_known_key(invocation.reader, key)
    run = _find_stopped_run(invocation, key)
    invocation.confirm(f"Forget effect {key}: the next call performs it")
    _end_dead_holders(invocation)
    forget_effect(invocation.store, key, act=invocation.act)
    text = f"Effect {formatting.escape_line(key)} is forgotten: the next call performs it."
    invocation.output.document({"key": key, "forgotten": True}, text)
    _hint_at_run(invocation, run)


@command("confirm", "record that an effect in doubt happened")
@click.argument("key", type=EFFECT)
@click.option("--result", metavar="JSON", help="result that later calls get: JSON, @FILE, or - for stdin")
@pass_invocation
def confirm(invocation: Invocation, key: str, result: str | None) -> None:
    """Check at the target first. Later calls of the key are skipped. Give a --reason. Again with --result, it corrects the result."""
    from mainspring.cli.json_values import read_json_value
    from mainspring.service.effect import confirm_effect

    value = None if result is None else read_json_value(result, "--result")
    require_known_key(invocation.reader, key)
    run = _find_stopped_run(invocation, key)
    _end_dead_holders(invocation)
    confirm_effect(invocation.store, key, value, sealing=invocation.sealing, act=invocation.act)
    text = f"Effect {formatting.escape_line(key)} is done: later calls are skipped."
    invocation.output.document({"key": key, "state": "done"}, text)
    _hint_at_run(invocation, run)


def _find_stopped_run(invocation: Invocation, key: str) -> str | None:
    """Return the run that needs attention for an effect."""
    from mainspring.domain.states import RunState
    from mainspring.store.read.effects import read_effect
    from mainspring.store.read.runs.run_views import run_view

    effect = read_effect(invocation.reader, key)
    if effect is None or effect.run is None:
        return None
    with suppress(NotFoundError):  # the run was deleted, its effect is kept
        run = run_view(invocation.reader, effect.run)
        return run.id if run.state is RunState.NEEDS_ATTENTION and run.failed_ident == effect.ident else None
    return None


def _hint_at_run(invocation: Invocation, run: str | None) -> None:
    if run is not None:
        invocation.output.hint(f"Its run still waits. Continue it: mainspring runs retry {run}")


def _end_dead_holders(invocation: Invocation) -> None:
    """Record that holders have ended, so that a person can decide on what they left."""
    from mainspring.app.exec.best_effort_store import declare_dead_sessions

    declare_dead_sessions(invocation.store)
