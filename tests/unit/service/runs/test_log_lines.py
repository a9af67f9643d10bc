"""Lines of log made readable: the newest of many parts, without opening them all."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from mainspring.domain.runs.log_chunk import pack_lines
from mainspring.domain.runs.log_line import Level
from mainspring.domain.values.sealing import PLAIN_SEALING
from mainspring.service.runs import log_lines
from mainspring.service.runs.log_lines import read_lines, read_newest_lines
from mainspring.service.view_unsealing import ViewUnsealer
from mainspring.store.read.runs.logs import StoredPart

OPENING = ViewUnsealer(PLAIN_SEALING, lenient=True)


def part(seq: int, instants: list[int], level: Level = Level.INFO) -> StoredPart:
    body = pack_lines(
        [msgspec.json.encode({"at": at, "level": level, "text": f"{seq}.{at}"}) for at in sorted(instants)]
    )
    return StoredPart("r_1", seq, "a#1", 1, min(instants), max(instants), len(instants), 1, body)


@given(st.lists(st.lists(st.integers(0, 50), min_size=1, max_size=4), max_size=12), st.integers(1, 20))
def test_newest_lines_are_those_that_reading_all_would_give(instants, count):
    """However long an older part continued beside a newer one; in the order in which they were written."""
    parts = sorted((part(seq, some) for seq, some in enumerate(instants)), key=lambda part: part.last_at)
    found = read_newest_lines(parts, OPENING, count, lambda line: line.at % 3 > 0)
    every = [line for line in read_lines(parts, OPENING, after=None) if line.at % 3]
    assert [line.at for line in found] == [line.at for line in every][-count:]
    assert {line.text for line in found} <= {line.text for line in every}


def test_parts_that_cannot_hold_newer_lines_stay_closed(monkeypatch):
    """Of two hundred parts those are opened that have the lines that are asked for."""
    opened = []
    monkeypatch.setattr(log_lines, "unpack_lines", lambda data, **known: opened.append(1) or [])
    parts = [part(seq, [seq]) for seq in range(200)]
    read_newest_lines(parts, OPENING, 5, lambda line: True)
    assert len(opened) == 200
    monkeypatch.undo()
    real = log_lines._unseal_lines
    opened.clear()
    monkeypatch.setattr(log_lines, "_unseal_lines", lambda part, opening: opened.append(1) or real(part, opening))
    assert [line.at for line in read_newest_lines(parts, OPENING, 5, lambda line: True)] == [195, 196, 197, 198, 199]
    assert len(opened) <= 40
