"""The list of effects, `mainspring effects list`."""

from typing import TYPE_CHECKING

from mainspring.cli import params, short_lists
from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy_group import command
from mainspring.cli.table import TableColumn
from mainspring.domain.states import EffectState
from mainspring.insight.text import formatting

if TYPE_CHECKING:
    from mainspring.domain.effects.effect import EffectRecord
    from mainspring.insight.effects.effect_views import EffectLine
    from mainspring.store.base import StoreReader

STATE_COLOURS = {
    EffectState.PENDING: "cyan",
    EffectState.DONE: "green",
    EffectState.UNKNOWN: "yellow",
    EffectState.IN_DOUBT: "red",
}


@command("list", "list effects, those that changed last first")
@short_lists.add_list_options(*(state.value for state in EffectState))
@pass_invocation
def list_command(
    invocation: Invocation, states: tuple[str, ...], name: str | None, since: str | None, limit: int
) -> None:
    """--name compares the key, --since the last change. SKIPS counts the calls that found the effect done."""
    from mainspring.insight.effects.effect_views import make_effect_line
    from mainspring.insight.effects.stored_effects import find_dead_holders

    since_at = params.read_instant(invocation, since)
    effects = invocation.read(lambda reader: _read_effects(reader, states, name, since_at, limit + 1))
    dead = invocation.read(lambda reader: find_dead_holders(reader, effects))
    now = invocation.clock.now()
    columns = [
        TableColumn("KEY", lambda line: formatting.escape_line(line.key), cut=True),
        TableColumn("STATE", _describe_state, lambda line: STATE_COLOURS[line.state]),
        TableColumn("WHEN", lambda line: formatting.format_distance(line.at, now)),
        TableColumn("BY", lambda line: formatting.escape_line(line.decided_by or line.owner), cut=True, most=40),
        TableColumn("SKIPS", lambda line: str(line.skips), right=True, spare=True),
    ]
    lines = [make_effect_line(effect, dead, now) for effect in effects[:limit]]
    invocation.output.rows(lines, columns, empty="No effect is on record.")
    if len(effects) > limit:
        invocation.output.hint(f"More match than {limit}: add --limit, --name, --state or --since.")


def _describe_state(line: "EffectLine") -> str:
    return "pending, holder gone" if line.state is EffectState.PENDING and not line.is_held else line.state


def _read_effects(
    reader: "StoreReader", states: tuple[str, ...], name: str | None, since_at: int | None, limit: int
) -> "list[EffectRecord]":
    """Return the effects in these states (none = any), those that changed last first."""
    from mainspring.store.read.effects import EffectFilter, changed_at, list_effects

    selected: list[EffectState | None] = [EffectState(state) for state in dict.fromkeys(states)]
    effects = [
        effect
        for state in selected or [None]
        for effect in list_effects(reader, EffectFilter(state=state, text=name, since_at=since_at), limit).effects
    ]
    return sorted(effects, key=changed_at, reverse=True)[:limit]
