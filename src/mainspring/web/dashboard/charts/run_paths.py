"""The ways of runs from step to step as a picture: what is drawn of `insight.run_paths`, where it is small enough for one."""

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
_ROOM = (22, 17)


class PathBox(NamedTuple):
    """A box with its name, how many runs came to it, and in how many it failed for good; `tone` = that of an end."""

    node: PathNode
    text: str
    came: str
    fell: str
    tone: str
    x: int
    y: int


class PathLine(NamedTuple):
    """A line with its number at (`x`, `y`); `look` = "went", "fell" (a failure went on) or "missing"."""

    edge: PathEdge
    path: str
    look: str
    said: str
    x: int
    y: int


class RunPathsChart(NamedTuple):
    """The picture and its size."""

    width: int
    height: int
    boxes: list[PathBox]
    lines: list[PathLine]


def draw_run_paths(paths: RunPaths) -> RunPathsChart | None:
    """Draw the ways of runs; None = there are none, or too many to be seen."""
    if not paths.edges or len(paths.nodes) > _MOST_NODES or len(paths.edges) > _MOST_EDGES:
        return None
    is_forked = sum(edge.before == START for edge in paths.edges) > 1  # else the start says nothing
    nodes = [node for node in paths.nodes if node.key != START or is_forked]
    ways = [edge for edge in paths.edges if edge.before != START or is_forked]
    # By number, so that what came first stands above what came later.
    keys = {node.key: f"{place:02}" for place, node in enumerate(nodes)}
    drawn = draw_layered_graph(
        list(keys.values()), [(keys[one.before], keys[one.after], "") for one in ways], BOX, _GAP
    )
    lines, taken = list[PathLine](), list[Point]()
    for edge, line in zip(ways, drawn.lines, strict=True):
        taken.append(_find_free_place(line.curve, taken))
        lines.append(PathLine(edge, line.path, _line_style(edge), _describe_edge(edge), *taken[-1]))
    boxes = [_draw_box(node, at.x, at.y) for node, at in zip(nodes, drawn.boxes, strict=True)]
    return RunPathsChart(drawn.width, drawn.height, boxes, lines)


def _find_free_place(curve: Sequence[Point], taken: Sequence[Point]) -> Point:
    """Return where the number of a line stands: in its middle, or as near to it as no other number is in the way."""
    places = [_point_on_curve(curve, share) for share in _SHARES]
    free = (
        one for one in places if not any(abs(one[0] - x) < _ROOM[0] and abs(one[1] - y) < _ROOM[1] for x, y in taken)
    )
    return next(free, places[0])


def _point_on_curve(curve: Sequence[Point], share: float) -> Point:
    """Return a point of a cubic curve."""
    rest = 1 - share
    weights = (rest**3, 3 * rest**2 * share, 3 * rest * share**2, share**3)
    x, y = (sum(weight * point[axis] for weight, point in zip(weights, curve, strict=True)) for axis in (0, 1))
    return round(x), round(y)


def _draw_box(node: PathNode, x: int, y: int) -> PathBox:
    is_end = node.kind == END
    name = escape_line(node.name.replace("_", " ") if is_end else node.name, _LONGEST)
    calls = f" · {node.calls:,}x" if node.calls > node.runs else ""
    fell = f"{node.failed} failed" if node.failed else ""
    return PathBox(
        node,
        name,
        f"{node.runs}{calls}" if fell else format_count(node.runs, "run") + calls,
        fell,
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
