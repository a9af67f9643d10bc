"""The graph of automations that start each other, and its errors: a cycle, or one webhook path twice."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from mainspring.domain.triggers.trigger import Trigger
from mainspring.engine.definitions.automation import Automation
from mainspring.engine.definitions.load_problem import LoadProblem


def find_upstream(triggers: Iterable[Trigger]) -> list[str]:
    """Return the automations whose ends start the one with these triggers, in order, each once."""
    return list(dict.fromkeys(name for trigger in triggers for name in trigger.source.upstream()))


def find_cycle(upstream: Mapping[str, list[str]]) -> list[str] | None:
    """Return one cycle of the graph as names from first to first; None if there is none."""
    done: set[str] = set()
    for first in sorted(upstream):
        path: list[str] = []
        stack: list[tuple[str, Iterator[str]]] = [] if first in done else [(first, iter(upstream[first]))]
        path += [first] if stack else []
        while stack:
            name, rest = stack[-1]
            following = next(rest, None)
            if following is None:
                done.add(name)
                stack.pop()
                path.pop()
            elif following in path:
                return [*path[path.index(following) :], following][::-1]
            elif following not in done:
                stack.append((following, iter(upstream.get(following, ()))))
                path.append(following)
    return None


def drop_impossible_triggers(automations: Iterable[Automation]) -> Iterator[LoadProblem]:
    """Remove impossible triggers and yield the problems: automations that start each other endlessly, or webhooks that share a path."""
    known = {automation.name: automation for automation in automations}
    while (
        cycle := find_cycle({name: find_upstream(_triggers(automation)) for name, automation in known.items()})
    ) is not None:
        culprit = known[cycle[-1]]
        yield LoadProblem(
            where=culprit.where,
            what=f"these automations start each other without end: {' -> '.join(cycle)}",
            how="Remove one of the @ms.on.run / @ms.on.runs. Until then none of them starts by the end of a run.",
        )
        for name in set(cycle):
            known[name].drop_triggers(lambda source: bool(source.upstream()))
    yield from _drop_duplicate_paths(known.values())


def _drop_duplicate_paths(automations: Iterable[Automation]) -> Iterator[LoadProblem]:
    first: dict[str, Automation] = {}
    for automation in automations:
        for trigger in _triggers(automation):
            path = getattr(trigger.source, "path", None)
            if path is None:
                continue
            if path not in first:
                first[path] = automation
                continue
            yield LoadProblem(
                where=automation.where,
                what=f"two webhooks have the path {path}: the other is {first[path].name!r} at {first[path].where}",
                how=f"Give this webhook of {automation.name!r} another path.",
            )
            automation.drop_triggers(_is_same(trigger.source))


def _is_same(original: Any) -> Callable[[Any], bool]:
    return lambda source: source is original


def _triggers(automation: Automation) -> list[Any]:
    return list(automation.definition.triggers.values())
