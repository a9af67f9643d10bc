"""Tags of runs: the words of the code by which runs are found."""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from mainspring.domain.errors import OptionError
from mainspring.domain.text.printable_key import make_printable_key
from mainspring.domain.values.sealing import split_sealed

MOST_FILTERS: Final = 5
"""The most tags of one filter."""

TagPair = tuple[str, str]
"""Name and value, as the index has them: printable, and the hash of a text that is too long."""


def make_tag_pairs(tags: Mapping[str, object]) -> list[TagPair]:
    """Return the tags as the index has them."""
    return [(make_printable_key(name), make_printable_key(str(value))) for name, value in tags.items()]


def read_stored_tags(data: bytes | None) -> list[TagPair]:
    """Return the tags of a row as the index has them; none if a codec sealed them."""
    if data is None or split_sealed(data) is not None:
        return []
    return make_tag_pairs(msgspec.json.decode(data, type=dict[str, str]))


def parse_tags(texts: Sequence[str]) -> list[TagPair]:
    """Return the tags of a filter. Raises OptionError: one is no tag, or there are more than `MOST_FILTERS`."""
    if len(texts) > MOST_FILTERS:
        raise OptionError(f"{len(texts)} tags: a filter has at most {MOST_FILTERS}")
    return [parse_tag(text) for text in texts]


def parse_tag(text: str) -> TagPair:
    """Return the tag of a text "name=value". Raises OptionError."""
    name, sign, value = text.partition("=")
    if not name or not sign:
        raise OptionError(f"tag {text!r}: expected NAME=VALUE", hint="For example: customer=acme.")
    return make_tag_pairs({name: value})[0]
