"""A graph in layers, from left to right: each node one layer behind the last of those that lead to it. A cycle ends where it closes."""

from collections.abc import Sequence
from typing import Final, NamedTuple

BOX: Final = (140, 34)
_GAP = (40, 14)
_EDGE = 1
_LONGEST = 17


class Box(NamedTuple):
    """A node: its corner, and its name cut to what there is room for."""

    name: str
    text: str
    x: int
    y: int


class Line(NamedTuple):
    """An edge as a path; `back` = it leads back, as part of a cycle."""

    path: str
    said: str
    back: bool


class Layers(NamedTuple):
    """Boxes are of the size BOX."""

    width: int
    height: int
    boxes: list[Box]
    lines: list[Line]


def layers_of(nodes: Sequence[str], edges: Sequence[tuple[str, str, str]]) -> Layers:
    """Draw nodes and edges (from, to, in words)."""
    depth = _depths(nodes, edges)
    columns: dict[int, list[str]] = {}
    for name in sorted(nodes, key=lambda name: (depth[name], name)):
        columns.setdefault(depth[name], []).append(name)
    columns = _untangled(columns, edges)
    tallest = max((len(names) for names in columns.values()), default=0)
    step_x, step_y = BOX[0] + _GAP[0], BOX[1] + _GAP[1]
    places: dict[str, tuple[int, int]] = {}
    for column, names in columns.items():
        top = (tallest - len(names)) * step_y // 2
        places |= {name: (_EDGE + column * step_x, _EDGE + top + row * step_y) for row, name in enumerate(names)}
    return Layers(
        width=max(len(columns) * step_x - _GAP[0], 0) + 2 * _EDGE,
        height=max(tallest * step_y - _GAP[1], 0) + 2 * _EDGE,
        boxes=[Box(name, _cut(name), *places[name]) for name in nodes],
        lines=[_line(places[a], places[b], words, back=depth[a] >= depth[b]) for a, b, words in edges],
    )


def _depths(nodes: Sequence[str], edges: Sequence[tuple[str, str, str]]) -> dict[str, int]:
    """Return the layer of each; an edge back to what is on the way to it counts for nothing."""
    above: dict[str, list[str]] = {name: [] for name in nodes}
    for a, b, _ in edges:
        above[b].append(a)
    found: dict[str, int] = {}
    for root in nodes:
        # By hand, not by recursion: a chain may be as long as there are automations.
        path: list[tuple[str, list[str]]] = [(root, list(above[root]))] if root not in found else []
        on_path = {root}
        while path:
            name, left = path[-1]
            ahead = next((one for one in left if one not in found and one not in on_path), None)
            if ahead is not None:
                path.append((ahead, list(above[ahead])))
                on_path.add(ahead)
                continue
            found[name] = max((found[one] + 1 for one in above[name] if one in found), default=0)
            on_path.discard(name)
            path.pop()
    return found


def _untangled(columns: dict[int, list[str]], edges: Sequence[tuple[str, str, str]]) -> dict[int, list[str]]:
    """Return the layers, each in the order of the middle of what leads to it: fewer lines cross."""
    found: dict[int, list[str]] = {}
    row: dict[str, float] = {}
    for column in sorted(columns):
        middle = {}
        for place, name in enumerate(columns[column]):
            before = [row[a] for a, b, _ in edges if b == name and a in row]
            middle[name] = sum(before) / len(before) if before else float(place)
        found[column] = sorted(columns[column], key=lambda name: (middle[name], name))
        row |= {name: place - len(found[column]) / 2 for place, name in enumerate(found[column])}
    return found


def _line(a: tuple[int, int], b: tuple[int, int], said: str, *, back: bool) -> Line:
    from_x, from_y = a[0] + BOX[0], a[1] + BOX[1] // 2
    to_x, to_y = b[0], b[1] + BOX[1] // 2
    if back:
        from_x, to_x = a[0] + BOX[0] // 2, b[0] + BOX[0] // 2
        return Line(f"M{from_x} {from_y}L{to_x} {to_y}", said, back)
    bend = _GAP[0] // 2
    return Line(f"M{from_x} {from_y}C{from_x + bend} {from_y} {to_x - bend} {to_y} {to_x} {to_y}", said, back)


def _cut(name: str) -> str:
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"
