"""Values of a command that waits: each large one is put once, and again only if the day of its put is over."""

import msgspec
import pytest

from mainspring.domain.errors import CodecUnavailableError
from mainspring.domain.values.blob import DAY_MS, LargeValues, parse_reference
from mainspring.domain.values.sealing import Sealing
from mainspring.engine.worker.deferred_values import UnsealedValue, seal_waiting
from tests.acceptance.sealing_codec import Keystream

NOW = 1_800_000_000_000


class Pair(msgspec.Struct, frozen=True):
    """A command with two values."""

    first: bytes
    second: bytes


class Place:
    """A place for blobs in memory that stores at most so many."""

    place = "memory"
    first_day = 0
    is_remote = False

    def __init__(self, capacity):
        self.blobs, self.capacity = {}, capacity

    def put(self, blob, data):
        if len(self.blobs) >= self.capacity:
            raise CodecUnavailableError("the disk is full")
        self.blobs[blob] = data

    def get(self, blob):
        return self.blobs.get(blob)


@pytest.fixture
def now():
    return [NOW]


def make_sealing(place, now):
    return Sealing(Keystream(), large=LargeValues(place, lambda: now[0], threshold=100))


def test_value_that_was_put_is_not_put_again_while_another_one_waits(now):
    """The codec gives other bytes each time, so that each try would store one more blob."""
    place = Place(capacity=1)
    sealing = make_sealing(place, now)
    waiting = Pair(UnsealedValue(b'"' + b"a" * 500 + b'"'), UnsealedValue(b'"' + b"b" * 500 + b'"'))
    for _ in range(3):
        with pytest.raises(CodecUnavailableError):
            seal_waiting(waiting, sealing)
    assert len(place.blobs) == 1
    place.capacity = 2
    sealed = seal_waiting(waiting, sealing)
    assert (sealing.open(sealed.first)[1:2], sealing.open(sealed.second)[1:2]) == (b"a", b"b")
    assert len(place.blobs) == 2


def test_value_of_an_earlier_day_is_put_again(now):
    """Its day may be closed by then, and the commit would be refused."""
    place = Place(capacity=9)
    sealing = make_sealing(place, now)
    old = sealing.seal(b'"' + b"a" * 500 + b'"')
    waiting = Pair(old, UnsealedValue(b"1"))
    assert seal_waiting(waiting, sealing).first == old
    now[0] += 3 * DAY_MS
    renewed = seal_waiting(waiting, sealing).first
    assert parse_reference(renewed).blob.day == parse_reference(old).blob.day + 3
    assert sealing.open(renewed) == sealing.open(old)
