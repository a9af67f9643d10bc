"""A table of text, fitted to the width of a terminal: columns with `cut` are narrowed first, then `spare` columns are left out."""

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from mainspring.insight.text.text_width import cut_to_width, measure_width, pad_to_width

_GAP_CELLS: Final = 2
_READABLE_WIDTH: Final = 16
"""A column that may be cut stays this wide while another one can be left out."""
_MIN_WIDTH: Final = 6
"""A column that may be cut always stays this wide."""
_MAX_CELL_WIDTH: Final = 1_000
"""Cells of a text without a terminal: no text of people is cut, and a megabyte from outside takes no more."""


class TableColumn(NamedTuple):
    """A column of a table: its title, the text of a row's cell, and the colour of that text (None = plain).

    `cut` = its text may be cut in a narrow terminal, by `fit`; `most` = the maximum of cells in any terminal;
    `spare` = the column may be left out there, the last one first.
    """

    title: str
    text: Callable[[Any], str]
    colour: Callable[[Any], str | None] = lambda _: None
    right: bool = False
    cut: bool = False
    spare: bool = False
    most: int | None = None
    fit: Callable[[str, int], str] = cut_to_width


class TableLayout(NamedTuple):
    """The visible columns, the width of each, and the titles of the columns that were left out."""

    columns: list[TableColumn]
    widths: list[int]
    left_out: list[str]


def lay_out(rows: Sequence[Any], columns: Sequence[TableColumn], width: int | None) -> TableLayout:
    """Return the layout in `width` cells (None = no terminal: up to 1,000 a text). State, severity, ids and ages are never cut."""
    widths = {
        place: max(measure_width(column.title), *(measure_width(column.text(row)) for row in rows))
        for place, column in enumerate(columns)
    }
    most = {
        place: _MAX_CELL_WIDTH if width is None else column.most for place, column in enumerate(columns) if column.cut
    }
    widths = {place: min(natural, most.get(place) or natural) for place, natural in widths.items()}
    left_out: list[int] = []
    if width is not None:
        spare = [place for place, column in enumerate(columns) if column.spare]
        while _least_width(widths, columns, _READABLE_WIDTH) > width and spare:
            place = spare.pop()
            del widths[place]
            left_out.insert(0, place)
        _narrow_columns(widths, columns, width)
    visible = sorted(widths)
    return TableLayout(
        [columns[n] for n in visible], [widths[n] for n in visible], [columns[n].title for n in left_out]
    )


def format_cells(row: Any, layout: TableLayout) -> list[str]:
    """Return the cells of a row (None = the titles), cut and padded."""
    texts = [column.title if row is None else column.text(row) for column in layout.columns]
    return [
        pad_to_width(text if measure_width(text) <= width else column.fit(text, width), width, right=column.right)
        for text, width, column in zip(texts, layout.widths, layout.columns, strict=True)
    ]


def _least_width(widths: dict[int, int], columns: Sequence[TableColumn], readable: int) -> int:
    """Return the smallest width of a table in which each column that may be cut has `readable` cells."""
    cells = (min(width, readable) if columns[place].cut else width for place, width in widths.items())
    return sum(cells) + _GAP_CELLS * (len(widths) - 1)


def _narrow_columns(widths: dict[int, int], columns: Sequence[TableColumn], width: int) -> None:
    """Narrow the widest columns that may be cut, cell by cell, until the table fits."""
    excess = sum(widths.values()) + _GAP_CELLS * (len(widths) - 1) - width
    while excess > 0:
        flexible = [place for place in widths if columns[place].cut and widths[place] > _MIN_WIDTH]
        if not flexible:
            return
        widest = max(flexible, key=lambda place: widths[place])
        widths[widest] -= 1
        excess -= 1
