"""The ways of runs from step to step as a picture: what is drawn of `insight.run_paths`, where it is small enough for one."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from mainspring.insight.run_paths import END, START, PathEdge, PathNode, RunPaths, way_word
from mainspring.insight.words import many, one_line
from mainspring.web.marks import tone_of
from mainspring.web.pictures.layers import Point, layers_of

BOX: Final = (136, 42)
_GAP = (80, 20)
_LONGEST = 17
_MOST_NODES, _MOST_EDGES = 40, 120
_SHARES = (0.5, 0.35, 0.65, 0.2, 0.8)
_ROOM = (22, 17)


class NodeBox(NamedTuple):
    """A box with its name, how many runs came to it, and in how many it failed for good; `tone` = that of an end."""

    node: PathNode
    text: str
    came: str
    fell: str
    tone: str
    x: int
    y: int


class WayLine(NamedTuple):
    """A line with its number at (`x`, `y`); `look` = "went", "fell" (a failure went on) or "missing"."""

    edge: PathEdge
    path: str
    look: str
    said: str
    x: int
    y: int


class Ways(NamedTuple):
    """The picture and its size."""

    width: int
    height: int
    boxes: list[NodeBox]
    lines: list[WayLine]


def ways_of(paths: RunPaths) -> Ways | None:
    """Draw the ways of runs; None = there are none, or too many to be seen."""
    if not paths.edges or len(paths.nodes) > _MOST_NODES or len(paths.edges) > _MOST_EDGES:
        return None
    is_forked = sum(edge.before == START for edge in paths.edges) > 1  # else the start says nothing
    nodes = [node for node in paths.nodes if node.key != START or is_forked]
    ways = [edge for edge in paths.edges if edge.before != START or is_forked]
    # By number, so that what came first stands above what came later.
    keys = {node.key: f"{place:02}" for place, node in enumerate(nodes)}
    drawn = layers_of(list(keys.values()), [(keys[one.before], keys[one.after], "") for one in ways], BOX, _GAP)
    lines, taken = list[WayLine](), list[Point]()
    for edge, line in zip(ways, drawn.lines, strict=True):
        taken.append(_free_place(line.curve, taken))
        lines.append(WayLine(edge, line.path, _look(edge), _said(edge), *taken[-1]))
    boxes = [_box(node, at.x, at.y) for node, at in zip(nodes, drawn.boxes, strict=True)]
    return Ways(drawn.width, drawn.height, boxes, lines)


def _free_place(curve: Sequence[Point], taken: Sequence[Point]) -> Point:
    """Return where the number of a line stands: in its middle, or as near to it as no other number is in the way."""
    places = [_at(curve, share) for share in _SHARES]
    free = (
        one for one in places if not any(abs(one[0] - x) < _ROOM[0] and abs(one[1] - y) < _ROOM[1] for x, y in taken)
    )
    return next(free, places[0])


def _at(curve: Sequence[Point], share: float) -> Point:
    """Return a point of a cubic curve."""
    rest = 1 - share
    weights = (rest**3, 3 * rest**2 * share, 3 * rest * share**2, share**3)
    x, y = (sum(weight * point[axis] for weight, point in zip(weights, curve, strict=True)) for axis in (0, 1))
    return round(x), round(y)


def _box(node: PathNode, x: int, y: int) -> NodeBox:
    is_end = node.kind == END
    name = one_line(node.name.replace("_", " ") if is_end else node.name, _LONGEST)
    calls = f" · {node.calls:,}x" if node.calls > node.runs else ""
    fell = f"{node.failed} failed" if node.failed else ""
    return NodeBox(
        node,
        name,
        f"{node.runs}{calls}" if fell else many(node.runs, "run") + calls,
        fell,
        tone_of(node.name) if is_end else "",
        x,
        y,
    )


def _look(edge: PathEdge) -> str:
    return "missing" if edge.is_missing else "fell" if edge.failed else "went"


def _said(edge: PathEdge) -> str:
    word = way_word(edge)
    return f"{edge.step} to {edge.then.replace('_', ' ')}: {many(edge.runs, 'run')}{', ' + word if word else ''}"
