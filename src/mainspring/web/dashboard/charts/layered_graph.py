"""A graph in layers, from left to right: each node one layer behind the last of those that lead to it. A cycle ends where it closes.

An edge over several layers goes along a lane of its own in each of them, as all do that lead to the same node: none runs behind a box.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

BOX: Final = (140, 34)
_GAP = (40, 14)
_EDGE = 1
_LONGEST = 17
_BESIDE = 14
_BACK_EDGE_DEPTH = 22

Point = tuple[int, int]
Stop = str | tuple[str]
"""What an edge passes in one layer: a node, or the lane to the node that is named."""


class GraphBox(NamedTuple):
    """A node: its corner, and its name cut to what there is room for."""

    name: str
    text: str
    x: int
    y: int


class GraphLine(NamedTuple):
    """An edge as a path; `back` = it leads back, as part of a cycle. `curve` = the four points of its first curve."""

    path: str
    said: str
    back: bool
    curve: tuple[Point, Point, Point, Point]


class LayeredGraph(NamedTuple):
    """Boxes are of the size that was asked for; lines in the order of the edges."""

    width: int
    height: int
    boxes: list[GraphBox]
    lines: list[GraphLine]


def draw_layered_graph(
    nodes: Sequence[str],
    edges: Sequence[tuple[str, str, str]],
    box: Point = BOX,
    gap: Point = _GAP,
) -> LayeredGraph:
    """Draw nodes and edges (from, to, in words)."""
    depth = _find_depths(nodes, edges)
    ways = [_list_stops(a, b, depth) for a, b, _ in edges]
    columns: dict[int, dict[Stop, None]] = {}
    for name in sorted(nodes, key=lambda name: (depth[name], name)):
        columns.setdefault(depth[name], {})[name] = None
    for (a, _, _), way in zip(edges, ways, strict=True):
        for column, stop in enumerate(way[1:-1], depth[a] + 1):
            columns[column][stop] = None
    rows = _order_layers(columns, (hop for way in ways for hop in _list_hops(way, depth)))
    tallest = max((len(stops) for stops in rows.values()), default=0)
    step_x, step_y = box[0] + gap[0], box[1] + gap[1]
    places: dict[tuple[int, Stop], Point] = {}
    for column, stops in rows.items():
        top = (tallest - len(stops)) * step_y // 2
        for row, stop in enumerate(stops):
            places[column, stop] = (_EDGE + column * step_x, _EDGE + top + row * step_y)
    seen: dict[tuple[str, str], int] = {}
    lines = []
    for (a, b, words), way in zip(edges, ways, strict=True):
        beside = seen[a, b] = seen.get((a, b), -1) + 1
        on_way = [places[column, stop] for column, stop in enumerate(way, depth[a])] if depth[a] < depth[b] else []
        ends = places[depth[a], a], places[depth[b], b]
        lines.append(
            _draw_forward(on_way, box, min(beside * _BESIDE, box[1] // 2 - 3), words)
            if on_way
            else _draw_backward(*ends, box, words)
        )
    return LayeredGraph(
        width=max(len(rows) * step_x - gap[0], 0) + 2 * _EDGE,
        height=max(tallest * step_y - gap[1], 0)
        + 2 * _EDGE
        + (_BACK_EDGE_DEPTH if any(line.back for line in lines) else 0),
        boxes=[GraphBox(name, _shorten(name), *places[depth[name], name]) for name in nodes],
        lines=lines,
    )


def _list_stops(a: str, b: str, depth: dict[str, int]) -> list[Stop]:
    """Return what an edge passes, layer by layer, its ends too."""
    return [a, *([(b,)] * max(depth[b] - depth[a] - 1, 0)), b]


def _list_hops(way: Sequence[Stop], depth: dict[str, int]) -> Iterable[tuple[tuple[int, Stop], tuple[int, Stop]]]:
    """Return the parts of a way from layer to layer; of one that leads back there are none."""
    first, last = depth[str(way[0])], depth[str(way[-1])]
    return pairwise(enumerate(way, first)) if first < last else ()


def _find_depths(nodes: Sequence[str], edges: Sequence[tuple[str, str, str]]) -> dict[str, int]:
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


def _order_layers(
    columns: dict[int, dict[Stop, None]], hops: Iterable[tuple[tuple[int, Stop], tuple[int, Stop]]]
) -> dict[int, list[Stop]]:
    """Return the layers, each in the order of the middle of what leads to it: fewer lines cross."""
    above: dict[tuple[int, Stop], dict[tuple[int, Stop], None]] = {}
    for before, after in hops:
        above.setdefault(after, {})[before] = None
    found: dict[int, list[Stop]] = {}
    row: dict[tuple[int, Stop], float] = {}
    for column in sorted(columns):
        middle = {}
        for place, stop in enumerate(columns[column]):
            before_it = [row[one] for one in above.get((column, stop), ())]
            middle[stop] = sum(before_it) / len(before_it) if before_it else float(place)
        found[column] = sorted(columns[column], key=lambda stop: (middle[stop], isinstance(stop, tuple), str(stop)))
        row |= {(column, stop): place - len(found[column]) / 2 for place, stop in enumerate(found[column])}
    return found


def _draw_forward(stops: Sequence[Point], box: Point, beside: int, said: str) -> GraphLine:
    middles = [(x, y + box[1] // 2 + beside) for x, y in stops]
    curves = []
    for (from_x, from_y), (to_x, to_y) in pairwise(middles):
        bend = (to_x - from_x - box[0]) // 2
        begin = from_x + box[0]
        curves.append(((begin, from_y), (begin + bend, from_y), (to_x - bend, to_y), (to_x, to_y)))
    return GraphLine(f"M{'L'.join(map(_write_path, curves))}", said, back=False, curve=curves[0])


def _draw_backward(a: Point, b: Point, box: Point, said: str) -> GraphLine:
    """Draw an edge below the boxes, from one to the other or to itself."""
    aside = box[0] // 6 if a == b else 0
    from_x, to_x = a[0] + box[0] // 2 + aside, b[0] + box[0] // 2 - aside
    from_y, to_y = a[1] + box[1], b[1] + box[1]
    curve = ((from_x, from_y), (from_x, from_y + _BACK_EDGE_DEPTH), (to_x, to_y + _BACK_EDGE_DEPTH), (to_x, to_y))
    return GraphLine(f"M{_write_path(curve)}", said, back=True, curve=curve)


def _write_path(curve: Sequence[Point]) -> str:
    (x, y), *rest = curve
    return f"{x} {y}C{' '.join(f'{x} {y}' for x, y in rest)}"


def _shorten(name: str) -> str:
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"
