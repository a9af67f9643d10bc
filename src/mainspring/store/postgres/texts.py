"""The statements as PostgreSQL runs them: parameters numbered, JSON read its way, no word on which index to take.

A plan is made once and kept while the tables grow, so it must be the right one for large tables from the start. Where a partial index is
nearly empty the server takes it for the shortest way to anything, and later walks over all that it holds for each row that it looks for. So
what names its rows leaves it no choice. Conditions that a partial index repeats, or that its own follow from, are written so that it does
not recognise them (`+ready = 1`, `state || '' in ...`; `coalesce(session, 0) = ?`, for from `+session = ?` it knows that there is one);
lists end in `limit cardinality(...)`, of which it expects one row, so that each is looked for by itself; and looks that belong to one row
stand behind a `limit` or `offset 0`, which it does not move.
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
    """A text with parameters `$1`, `$2` ...; `names` = what each stands for where ours are named, else empty."""

    __slots__ = ("names",)
    names: tuple[str, ...]


def wording(text: str) -> Statement:
    """Return a text of ours as PostgreSQL has it."""
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
