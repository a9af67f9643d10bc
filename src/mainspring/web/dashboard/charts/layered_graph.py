"""A layered graph, drawn from left to right: each node is one layer behind the last of its predecessors. A cycle ends where it closes.

An edge across several layers has a place of its own in each of them, shared by all edges to the same node: none runs behind a box.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

BOX: Final = (140, 34)
_GAP = (40, 14)
_EDGE = 1
_LONGEST = 17
_PARALLEL_GAP = 14
_BACK_EDGE_DEPTH = 22

Point = tuple[int, int]
Stop = str | tuple[str]
"""A stop of an edge in one layer: a node, or the place of edges to the named node."""


class GraphBox(NamedTuple):
    """A node: its corner, and its name cut to the size of the box."""

    name: str
    text: str
    x: int
    y: int


class GraphLine(NamedTuple):
    """An edge as a path; `back` = it is the last edge of a cycle. `curve` = the four points of its first curve."""

    path: str
    description: str
    back: bool
    curve: tuple[Point, Point, Point, Point]


class LayeredGraph(NamedTuple):
    """Boxes have the requested size; lines are in the order of the edges."""

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
    routes = [_list_stops(a, b, depth) for a, b, _ in edges]
    columns: dict[int, dict[Stop, None]] = {}
    for name in sorted(nodes, key=lambda name: (depth[name], name)):
        columns.setdefault(depth[name], {})[name] = None
    for (a, _, _), route in zip(edges, routes, strict=True):
        for column, stop in enumerate(route[1:-1], depth[a] + 1):
            columns[column][stop] = None
    rows = _order_layers(columns, (hop for route in routes for hop in _list_hops(route, depth)))
    tallest = max((len(stops) for stops in rows.values()), default=0)
    step_x, step_y = box[0] + gap[0], box[1] + gap[1]
    places: dict[tuple[int, Stop], Point] = {}
    for column, stops in rows.items():
        top = (tallest - len(stops)) * step_y // 2
        for row, stop in enumerate(stops):
            places[column, stop] = (_EDGE + column * step_x, _EDGE + top + row * step_y)
    parallels: dict[tuple[str, str], int] = {}
    lines = []
    for (a, b, words), route in zip(edges, routes, strict=True):
        parallel = parallels[a, b] = parallels.get((a, b), -1) + 1
        points = [places[column, stop] for column, stop in enumerate(route, depth[a])] if depth[a] < depth[b] else []
        ends = places[depth[a], a], places[depth[b], b]
        lines.append(
            _draw_forward(points, box, min(parallel * _PARALLEL_GAP, box[1] // 2 - 3), words)
            if points
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
    """Return the stops of an edge, layer by layer, including its ends."""
    return [a, *([(b,)] * max(depth[b] - depth[a] - 1, 0)), b]


def _list_hops(route: Sequence[Stop], depth: dict[str, int]) -> Iterable[tuple[tuple[int, Stop], tuple[int, Stop]]]:
    """Return the parts of a route from layer to layer; none for an edge that leads back."""
    first, last = depth[str(route[0])], depth[str(route[-1])]
    return pairwise(enumerate(route, first)) if first < last else ()


def _find_depths(nodes: Sequence[str], edges: Sequence[tuple[str, str, str]]) -> dict[str, int]:
    """Return the layer of each node; an edge back to a node on the path is ignored."""
    above: dict[str, list[str]] = {name: [] for name in nodes}
    for a, b, _ in edges:
        above[b].append(a)
    depths: dict[str, int] = {}
    for root in nodes:
        # By hand, not by recursion: a chain may be as long as there are automations.
        path: list[tuple[str, list[str]]] = [(root, list(above[root]))] if root not in depths else []
        on_path = {root}
        while path:
            name, predecessors = path[-1]
            unvisited = next((node for node in predecessors if node not in depths and node not in on_path), None)
            if unvisited is not None:
                path.append((unvisited, list(above[unvisited])))
                on_path.add(unvisited)
                continue
            depths[name] = max((depths[node] + 1 for node in above[name] if node in depths), default=0)
            on_path.discard(name)
            path.pop()
    return depths


def _order_layers(
    columns: dict[int, dict[Stop, None]], hops: Iterable[tuple[tuple[int, Stop], tuple[int, Stop]]]
) -> dict[int, list[Stop]]:
    """Return the layers, each sorted by the mean position of the predecessors, so that fewer lines cross."""
    above: dict[tuple[int, Stop], dict[tuple[int, Stop], None]] = {}
    for before, after in hops:
        above.setdefault(after, {})[before] = None
    layers: dict[int, list[Stop]] = {}
    row: dict[tuple[int, Stop], float] = {}
    for column in sorted(columns):
        middle = {}
        for position, stop in enumerate(columns[column]):
            positions = [row[hop] for hop in above.get((column, stop), ())]
            middle[stop] = sum(positions) / len(positions) if positions else float(position)
        layers[column] = sorted(columns[column], key=lambda stop: (middle[stop], isinstance(stop, tuple), str(stop)))
        row |= {(column, stop): position - len(layers[column]) / 2 for position, stop in enumerate(layers[column])}
    return layers


def _draw_forward(stops: Sequence[Point], box: Point, offset: int, text: str) -> GraphLine:
    middles = [(x, y + box[1] // 2 + offset) for x, y in stops]
    curves = []
    for (from_x, from_y), (to_x, to_y) in pairwise(middles):
        bend = (to_x - from_x - box[0]) // 2
        begin = from_x + box[0]
        curves.append(((begin, from_y), (begin + bend, from_y), (to_x - bend, to_y), (to_x, to_y)))
    return GraphLine(f"M{'L'.join(map(_write_path, curves))}", text, back=False, curve=curves[0])


def _draw_backward(a: Point, b: Point, box: Point, text: str) -> GraphLine:
    """Draw an edge below the boxes, from one to another or to itself."""
    offset = box[0] // 6 if a == b else 0
    from_x, to_x = a[0] + box[0] // 2 + offset, b[0] + box[0] // 2 - offset
    from_y, to_y = a[1] + box[1], b[1] + box[1]
    curve = ((from_x, from_y), (from_x, from_y + _BACK_EDGE_DEPTH), (to_x, to_y + _BACK_EDGE_DEPTH), (to_x, to_y))
    return GraphLine(f"M{_write_path(curve)}", text, back=True, curve=curve)


def _write_path(curve: Sequence[Point]) -> str:
    (x, y), *rest = curve
    return f"{x} {y}C{' '.join(f'{x} {y}' for x, y in rest)}"


def _shorten(name: str) -> str:
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"
