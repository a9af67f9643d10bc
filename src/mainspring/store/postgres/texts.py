"""Texts of the statements for PostgreSQL: numbered parameters, its own JSON functions, no index hints.

A plan is made once and kept while the tables grow, so it must be right for large tables from the start. The server
takes a nearly empty partial index for the cheapest access to anything, and later scans all of it for each row. So
statements that name their rows leave it no choice. Conditions that repeat those of a partial index, or imply them, are
written so that the server does not recognise them (`+ready = 1`, `state || '' in ...`; `coalesce(session, 0) = ?`,
because `+session = ?` tells it that there is a session). Lists end in `limit cardinality(...)`, from which it expects
one row, so that it searches for each one separately. Subqueries that belong to one row stand behind a `limit` or
`offset 0`, which it does not move.
"""

import re
from pathlib import Path
from typing import Final

from mainspring.store.texts import StatementTexts

_TOKENS = re.compile(
    r"""(?P<kept> '(?:[^']|'')*' | --[^\n]* | :: )
      | (?P<index> \s+indexed\ by\ \w+ )
      | json_extract\(cast\((?P<document> [\w.]+ )\ as\ text\),\ '\$\.(?P<path> [\w.]+ )'\)
      | json_each\((?P<listed> [^)]+ )\)(?: \ as\ (?P<alias>\w+) )?
      | \?(?P<number>\d*)
      | (?<![:\w]):(?P<name>[a-z_]+)
    """,
    re.VERBOSE,
)


class Statement(str):
    """A text with parameters `$1`, `$2` ...; `names` = their names if they are named, else empty."""

    __slots__ = ("names",)
    names: tuple[str, ...]


def wording(text: str) -> Statement:
    """Return a shared text in PostgreSQL's wording."""
    names: list[str] = []
    count = 0

    def replace(match: re.Match[str]) -> str:
        nonlocal count
        if match["kept"]:
            return match["kept"]
        if match["index"]:
            return ""
        if match["document"]:
            return f"convert_from(nullif({match['document']}, ''), 'UTF8')::jsonb #>> '{{{match['path'].replace('.', ',')}}}'"
        if match["listed"]:
            return f"jsonb_array_elements_text(cast({_TOKENS.sub(replace, match['listed'])} as jsonb)) as {match['alias'] or 'each'}(value)"
        if match["name"]:
            if match["name"] not in names:
                names.append(match["name"])
            return f"${names.index(match['name']) + 1}"
        count += 1
        return f"${match['number'] or count}"

    statement = Statement(_TOKENS.sub(replace, text))
    statement.names = tuple(names)
    return statement


TEXTS: Final = StatementTexts(Path(__file__).parent, wording)
