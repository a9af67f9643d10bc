"""Stored files: values hold the chunks of the files that they name, only a seal of the store makes one, and none leaves with its keys."""

import dataclasses
import hashlib
import hmac
import json

import msgspec
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

import mainspring as ms
from mainspring.cli.runs.show import format_value
from mainspring.domain.errors import FileRefError, ValueRefusedError
from mainspring.domain.values.blob import (
    PREFIX,
    Blob,
    BlobReference,
    LargeValues,
    encode_with_blobs,
    parse_reference,
    split_held_blobs,
)
from mainspring.domain.values.codec import decode, encode
from mainspring.domain.values.plain_json import decode_value
from mainspring.domain.values.saved_call import compare_values
from mainspring.domain.values.sealing import Sealing, codec_of, find_reference, stored_size
from mainspring.domain.values.stored_file import StoreFileChunks, refuse_files
from mainspring.engine.attempts import file_ref
from mainspring.engine.attempts.file_ref import put_file
from mainspring.insight.text.hidden_values import hide_in_value
from mainspring.web.dashboard.runs.run_values import build_value
from tests.acceptance.sealing_codec import Keystream
from tests.unit.domain.values.test_blob import NOW, Memory

KEYS = st.builds(
    lambda day, digest, size: Blob(day, digest.hex(), size).key,
    st.integers(0, 99_999_999),
    st.binary(min_size=32, max_size=32),
    st.integers(0, 10**12 - 1),
)


@dataclasses.dataclass
class Report:
    title: str
    parts: list[ms.FileRef]


class Letter(pydantic.BaseModel):
    title: str
    attachment: ms.FileRef | None = None


def make_sealing(codec=None, key=b"key of the store", memory=None):
    return Sealing(codec, large=LargeValues(memory or Memory(), lambda: NOW, 4_000, lambda: key))


@pytest.fixture(params=[None, Keystream()], ids=["plain", "sealed"])
def sealing(request):
    return make_sealing(request.param)


def put(sealing, data, tmp_path, **options):
    path = tmp_path / "report.pdf"
    path.write_bytes(data)
    return put_file(ms.FileRef, StoreFileChunks(sealing), path, options.get("name"), options.get("content_type"))


def read(sealing, file):
    chunks = StoreFileChunks(sealing)
    return b"".join(chunks.read_chunk(file, index) for index in range(len(file.chunks)))


@given(st.lists(KEYS, min_size=1), st.binary())
def test_list_of_blobs_is_read_as_it_was_written(keys, stored):
    """Each key once, in order; the value behind it is the same bytes."""
    data = encode_with_blobs(keys, b"x" + stored)
    assert split_held_blobs(data) == (sorted(set(keys)), b"x" + stored)
    assert parse_reference(data) is None
    assert data[:3] == PREFIX + b"["


@given(st.lists(KEYS), KEYS, st.binary())
def test_list_has_the_blob_of_its_own_value(keys, own, digest):
    """A large value that names files: the triggers count its blob too, and readers find its reference."""
    reference = BlobReference(Blob.of_key(own), digest)
    data = encode_with_blobs(keys, reference.encode())
    assert split_held_blobs(data)[0] == sorted({*keys, own})
    assert parse_reference(data) == reference
    assert stored_size(data) == reference.blob.size


@given(st.binary())
def test_bytes_that_only_begin_like_a_list_are_no_list(data):
    """A list that was cut, or is none, is never cut off from a value."""
    keys, stored = split_held_blobs(PREFIX + b"[" + data.replace(b"]", b"") + b"7]")
    assert keys == []
    assert stored.startswith(PREFIX + b"[")


def test_value_holds_the_chunks_of_its_files(sealing, tmp_path, monkeypatch):
    """In a data class, a model, a list or a dict; small or large; opened it is the same JSON."""
    monkeypatch.setattr(file_ref, "CHUNK_SIZE", 1_000)
    first, second = put(sealing, b"a" * 2_500, tmp_path), put(sealing, b"\x00@[]" * 300, tmp_path)
    assert (len(first.chunks), len(second.chunks)) == (3, 2)
    keys = sorted({*first.chunks, *second.chunks})
    for value in (
        Report("two", [first, second]),
        {"deep": [{"er": first}], "other": second},
        [Letter(title="one", attachment=first), Letter(title="none"), second],
        {"large": "x" * 5_000, "files": [first, second]},
    ):
        data = encode(value)
        stored = sealing.seal(data)
        held, inner = split_held_blobs(stored)
        own = find_reference(inner)
        assert held == sorted([*keys, *([] if own is None else [own.blob.key])])
        assert (own is not None) is (len(data) > 4_000)
        assert sealing.open(stored) == data
        assert codec_of(stored) == sealing.id
        assert sealing.is_own(stored) is (own is None and not sealing.is_plain)
    assert read(sealing, first) == b"a" * 2_500
    assert read(sealing, second) == b"\x00@[]" * 300


def test_reference_is_the_same_after_a_round_trip(sealing, tmp_path):
    """Typed by its annotation; as a field of a model too."""
    file = put(sealing, b"%PDF", tmp_path)
    assert (file.name, file.size, file.content_type) == ("report.pdf", 4, "application/pdf")
    assert file.sha256 == hashlib.sha256(b"%PDF").hexdigest()
    for value, kind in (
        (file, ms.FileRef),
        (Report("t", [file]), Report),
        (Letter(title="t", attachment=file), Letter),
    ):
        assert decode(encode(value), kind) == value
    assert decode(encode(file), ms.FileRef | None) == file


def test_empty_file_has_a_chunk(sealing, tmp_path):
    """So every value with files begins with a list of blobs, and is found by it."""
    empty = put(sealing, b"", tmp_path)
    assert (empty.size, len(empty.chunks), read(sealing, empty)) == (0, 1, b"")
    assert split_held_blobs(sealing.seal(encode(empty)))[0] == list(empty.chunks)


def test_only_the_store_makes_a_reference(sealing, tmp_path):
    """Whatever JSON from outside names holds no blob and cannot be read: other keys, no seal, the seal of another store."""
    file = put(sealing, b"secret", tmp_path)
    other = make_sealing(sealing.codec, b"another key", sealing.large.contents)
    for forged in (
        replace(file, seal=""),
        replace(file, name="other.pdf"),
        replace(file, chunks=(Blob(1, "0" * 64, 7).key,)),
        replace(file, seal=StoreFileChunks(other).seal_file(file)),
    ):
        assert split_held_blobs(sealing.seal(encode({"file": forged})))[0] == []
        with pytest.raises(FileRefError, match=r"'.*' was not put by a program of this store"):
            read(sealing, forged)
    keyless = make_sealing(sealing.codec, b"", sealing.large.contents)
    with pytest.raises(FileRefError, match="has no key for files"):
        StoreFileChunks(keyless).seal_file(file)
    with pytest.raises(FileRefError, match="was not put by a program of this store"):
        read(keyless, replace(file, seal=hmac.new(b"", b"", "sha256").hexdigest()))
    for broken in (
        b'{"type":"mainspring.FileRef"}',
        b'{"type":"mainspring.FileRef","chunks":7}',
        b'"mainspring.FileRef',
    ):
        assert sealing.open(sealing.seal(broken)) == broken


def test_bytes_that_begin_as_a_list_are_put(sealing, tmp_path):
    """A sender of requests cannot make a column hold a blob."""
    key = put(sealing, b"secret", tmp_path).chunks[0]
    forged = encode_with_blobs([key], b"{}")
    stored = sealing.seal(forged)
    assert key.encode() not in stored
    assert sealing.open(stored) == forged


def test_what_leaves_the_engine_has_no_keys(tmp_path):
    """The API, pages and `--json` show what a person needs, and nothing that would name the file."""
    sealing = make_sealing()
    file = put(sealing, b"%PDF", tmp_path)
    visible = {"type": "mainspring.FileRef", "name": "report.pdf", "size": 4, "sha256": file.sha256}
    visible["content_type"] = "application/pdf"
    assert decode_value(encode({"deep": [file]})) == {"deep": [visible]}
    assert decode_value(sealing.seal(encode(file))) == visible
    sealed = make_sealing(Keystream())
    assert decode_value(sealed.seal(encode(put(sealed, b"x", tmp_path))))["sealed"] == sealed.id


def test_renewed_value_holds_its_files_and_its_new_blob(tmp_path):
    """A command that waited over midnight: the blob of the value is put again, the chunks keep their keys."""
    now = [NOW]
    sealing = Sealing(large=LargeValues(Memory(), lambda: now[0], 100, lambda: b"key"))
    file = put(sealing, b"%PDF", tmp_path)
    data = encode({"file": file, "text": "x" * 500})
    stored = sealing.seal(data)
    assert sealing.large.renew(stored) == stored
    now[0] += 86_400_000
    renewed = sealing.large.renew(stored)
    own = parse_reference(renewed).blob
    assert own.day == parse_reference(stored).blob.day + 1
    assert split_held_blobs(renewed)[0] == sorted([*file.chunks, own.key])
    assert sealing.open(renewed) == data


def test_values_that_stay_inline_refuse_files(sealing, tmp_path):
    """No column would hold the chunks."""
    data = encode({"file": put(sealing, b"%PDF", tmp_path)})
    with pytest.raises(ValueRefusedError, match=r"event news cannot be saved or read: it has an ms\.FileRef"):
        refuse_files(data, "event news")
    text = json.dumps("mainspring.FileRef").encode()
    assert refuse_files(text, "event news") == text
    assert msgspec.json.decode(refuse_files(b'{"type":"x"}', "event news")) == {"type": "x"}


def test_comparisons_and_pages_have_no_keys(tmp_path):
    """Two calls with different files differ in a digest, not in keys that a reader could use."""
    sealing = make_sealing()
    first, second = put(sealing, b"%PDF", tmp_path), put(sealing, b"%PDF2", tmp_path)
    for file in (first, replace(first, seal="")):
        was, now = encode({"file": file}), encode({"file": second})
        texts = "".join(f"{part.path}{part}" for part in compare_values(was, now))
        assert "$.file.sha256" in texts
        assert "$.file.parts" in texts
        for secret in (first.seal, second.seal, *first.chunks, *second.chunks):
            assert not secret or secret not in texts
        page = hide_in_value(encode({"file": file, "text": "x" * 300_000}))
        assert page is not None
        assert first.chunks[0].encode() not in page
        view = build_value("result", encode({"text": "x" * 300_000, "file": file}))
        assert view is not None
        assert first.chunks[0] not in view.text
        assert first.chunks[0] not in format_value(encode(file), 10_000)


@pytest.mark.parametrize("depth", [900, 3_000, 100_000])
def test_data_that_is_nested_deeply_is_data(depth):
    """A request from outside may have it, and names no file. Nothing that reads it calls itself for each level."""
    data = b"[" * depth + b'{"type":"mainspring.FileRef","chunks":["k"],"seal":"s"}' + b"]" * depth
    sealing = make_sealing()
    assert sealing.open(sealing.seal(data)) == data
    assert refuse_files(data, "event news") == data
    assert b"seal" not in msgspec.json.encode(decode_value(data))


def test_long_name_is_cut_to_its_end(tmp_path):
    """At once: a name may have any length."""
    path = tmp_path / "x"
    path.write_bytes(b"x")
    chunks = StoreFileChunks(make_sealing())
    assert put_file(ms.FileRef, chunks, path, "a" * 10**7 + ".csv", None).name == "a" * 251 + ".csv"
    assert put_file(ms.FileRef, chunks, path, "\u00e4" * 300 + ".csv", None).name == "\u00e4" * 125 + ".csv"
