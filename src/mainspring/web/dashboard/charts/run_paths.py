"""A chart of run paths from step to step: drawn from `insight.run_paths` if it is small enough."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from mainspring.insight.runs.run_paths import END, START, PathEdge, PathNode, RunPaths, edge_word
from mainspring.insight.text.formatting import escape_line, format_count
from mainspring.web.dashboard.charts.layered_graph import Point, draw_layered_graph
from mainspring.web.pages.status_icons import state_tone

BOX: Final = (136, 42)
_GAP = (80, 20)
_LONGEST = 17
_MOST_NODES, _MOST_EDGES = 40, 120
_SHARES = (0.5, 0.35, 0.65, 0.2, 0.8)
_LABEL_SIZE = (22, 17)


class PathBox(NamedTuple):
    """A box with its name, the number of runs that reached it, and of those in which it failed for good; `tone` = of an end."""

    node: PathNode
    text: str
    runs_text: str
    failed_text: str
    tone: str
    x: int
    y: int


class PathLine(NamedTuple):
    """A line with its number at (`x`, `y`); `style` = "went", "fell" (the run continued after a failure) or "missing"."""

    edge: PathEdge
    path: str
    style: str
    description: str
    x: int
    y: int


class RunPathsChart(NamedTuple):
    """The chart and its size."""

    width: int
    height: int
    boxes: list[PathBox]
    lines: list[PathLine]


def draw_run_paths(paths: RunPaths) -> RunPathsChart | None:
    """Draw the paths of runs; None = there are none, or too many to be readable."""
    if not paths.edges or len(paths.nodes) > _MOST_NODES or len(paths.edges) > _MOST_EDGES:
        return None
    is_forked = sum(edge.before == START for edge in paths.edges) > 1  # otherwise the start adds nothing
    nodes = [node for node in paths.nodes if node.key != START or is_forked]
    edges = [edge for edge in paths.edges if edge.before != START or is_forked]
    # By number, so that earlier nodes are above later ones.
    keys = {node.key: f"{place:02}" for place, node in enumerate(nodes)}
    graph = draw_layered_graph(
        list(keys.values()), [(keys[edge.before], keys[edge.after], "") for edge in edges], BOX, _GAP
    )
    lines, label_places = list[PathLine](), list[Point]()
    for edge, line in zip(edges, graph.lines, strict=True):
        label_places.append(_find_free_place(line.curve, label_places))
        lines.append(PathLine(edge, line.path, _line_style(edge), _describe_edge(edge), *label_places[-1]))
    boxes = [_draw_box(node, corner.x, corner.y) for node, corner in zip(nodes, graph.boxes, strict=True)]
    return RunPathsChart(graph.width, graph.height, boxes, lines)


def _find_free_place(curve: Sequence[Point], label_places: Sequence[Point]) -> Point:
    """Return the place of a line's number: in its middle, or as near to it as no other number is."""
    places = [_point_on_curve(curve, share) for share in _SHARES]
    free = (
        place
        for place in places
        if not any(abs(place[0] - x) < _LABEL_SIZE[0] and abs(place[1] - y) < _LABEL_SIZE[1] for x, y in label_places)
    )
    return next(free, places[0])


def _point_on_curve(curve: Sequence[Point], share: float) -> Point:
    """Return a point of a cubic curve."""
    remainder = 1 - share
    weights = (remainder**3, 3 * remainder**2 * share, 3 * remainder * share**2, share**3)
    x, y = (sum(weight * point[axis] for weight, point in zip(weights, curve, strict=True)) for axis in (0, 1))
    return round(x), round(y)


def _draw_box(node: PathNode, x: int, y: int) -> PathBox:
    is_end = node.kind == END
    name = escape_line(node.name.replace("_", " ") if is_end else node.name, _LONGEST)
    calls = f" · {node.calls:,}x" if node.calls > node.runs else ""
    failed_text = f"{node.failed} failed" if node.failed else ""
    return PathBox(
        node,
        name,
        f"{node.runs}{calls}" if failed_text else format_count(node.runs, "run") + calls,
        failed_text,
        state_tone(node.name) if is_end else "",
        x,
        y,
    )


def _line_style(edge: PathEdge) -> str:
    return "missing" if edge.is_missing else "fell" if edge.failed else "went"


def _describe_edge(edge: PathEdge) -> str:
    word = edge_word(edge)
    return (
        f"{edge.step} to {edge.then.replace('_', ' ')}: {format_count(edge.runs, 'run')}{', ' + word if word else ''}"
    )
