"""Step names in identities. An identity is branch + name + use (`#2`) or key (`[k]`): a name must contain none of the signs between them.

The signs are written as in a URL: `%23` for `#`. So two steps of different names never share an identity, whatever the names contain.
"""

import re

from mainspring.domain.runs.superseded_outcomes import read_branch

_ESCAPES = {sign: f"%{ord(sign):02X}" for sign in "%#/[]"}
_SIGNS = {escape: sign for sign, escape in _ESCAPES.items()}
_TABLE = str.maketrans(_ESCAPES)
_RESERVED = ("undo:", "end:", "flag:", "signal:", "version:", "update:")
"""Starts of identities that the engine itself makes; a step of such a name writes the colon as `%3A`."""
_COLON = "%3A"


def escape_step_name(name: str) -> str:
    """Return a name of a step as its identity contains it; most names stay as they are."""
    escaped = name.translate(_TABLE)
    if escaped.startswith(_RESERVED):
        start, _, rest = escaped.partition(":")
        return f"{start}{_COLON}{rest}"
    return escaped


def unescape_step_name(escaped: str) -> str:
    """Return the name of a step from its form in an identity. What is no escape stays: earlier versions wrote names unchanged."""
    if "%" not in escaped:
        return escaped
    start, *rest = escaped.split("%")
    parts = [start]
    for part in rest:
        sign = ":" if part.startswith(_COLON[1:]) else _SIGNS.get(f"%{part[:2]}")
        parts.append(f"%{part}" if sign is None else f"{sign}{part[2:]}")
    return "".join(parts)


def read_step_name(ident: str) -> str:
    """Return the name in the identity of a step."""
    return unescape_step_name(re.split(r"#\d|\[", ident.removeprefix(read_branch(ident)), maxsplit=1)[0])
