"""References to blobs: their form, what they reveal, and what is no reference."""

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.domain.errors import BlobMissingError
from mainspring.domain.values.blob import (
    Blob,
    BlobReference,
    LargeValues,
    address_of,
    day_at,
    is_reference_to,
    parse_reference,
)
from mainspring.domain.values.plain_json import decode_value
from mainspring.domain.values.sealing import PLAIN_SEALING, Sealing, codec_of
from tests.acceptance.sealing_codec import Keystream

NOW = 1_800_000_000_000
DATA = json.dumps("x" * 500).encode()


class Memory:
    """A place for blobs in memory."""

    place = "memory"
    first_day = 0
    is_remote = False

    def __init__(self):
        self.blobs = {}

    def put(self, blob, data):
        self.blobs[blob] = data

    def get(self, blob):
        return self.blobs.get(blob)


def make_sealing(codec=None):
    return Sealing(codec, large=LargeValues(Memory(), lambda: NOW, threshold=100))


@given(st.integers(0, 99_999_999), st.binary(min_size=32, max_size=32), st.integers(0, 10**12 - 1), st.binary())
def test_reference_is_read_as_it_was_written(day, digest, size, rest):
    """Its key sorts by day."""
    reference = BlobReference(Blob(day, digest.hex(), size), rest)
    assert parse_reference(reference.encode()) == reference
    assert Blob.of_key(reference.blob.key) == reference.blob
    assert reference.blob.key >= f"{day:08d}"
    assert reference.blob.key < f"{day + 1:08d}"


@given(st.binary())
def test_other_bytes_are_no_reference(data):
    """JSON and the values of codecs never are; nor is a reference that was cut."""
    assert parse_reference(data[:80]) is None


@pytest.mark.parametrize("codec", [None, Keystream()], ids=["plain", "sealed"])
def test_large_value_is_sealed_into_a_blob_and_opened(codec):
    """The reference tells the codec; with its digest opened it is compared without a read."""
    sealing = make_sealing(codec)
    small, large = sealing.seal(b'"small"'), sealing.seal(DATA)
    assert parse_reference(small) is None
    assert sealing.open(small) == b'"small"'
    assert sealing.open(large) == DATA
    assert codec_of(large) == codec_of(small) == sealing.id
    assert sealing.seal_inline(DATA) != large
    assert len(sealing.seal_inline(DATA)) > 500
    opened = sealing.open_digest(large)
    assert is_reference_to(opened, DATA)
    assert not is_reference_to(opened, DATA + b" ")
    assert not is_reference_to(b'"small"', b'"small"')


def test_bytes_that_begin_as_a_reference_are_put():
    """A sender of requests cannot name a blob."""
    sealing = make_sealing()
    forged = BlobReference(Blob(1, "0" * 64, 1), b"").encode()
    for data in (forged, b"\x00@zzz evil"):
        stored = sealing.seal(data)
        assert stored != data
        assert sealing.open(stored) == data


def test_blob_of_other_bytes_is_refused():
    """A disk that fails gives no other value."""
    sealing = make_sealing()
    large = sealing.seal(DATA)
    memory = sealing.large.contents
    (blob,) = memory.blobs
    assert blob == Blob(day_at(NOW), hashlib.sha256(DATA).hexdigest(), len(DATA))
    memory.blobs[blob] = DATA[:-1]
    with pytest.raises(BlobMissingError, match=f"{blob.address} .* is damaged"):
        sealing.open(large)
    memory.blobs.clear()
    with pytest.raises(BlobMissingError, match="is absent"):
        sealing.open(large)


def test_program_without_a_place_cannot_read_it():
    """As a page process that only shows values."""
    large = make_sealing().seal(DATA)
    with pytest.raises(BlobMissingError, match="no place for blobs"):
        PLAIN_SEALING.open(large)
    assert decode_value(large) == {"blob": address_of(DATA), "size": len(DATA)}
