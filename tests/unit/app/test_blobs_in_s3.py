"""A store with its blobs in S3: it says so itself, no other store touches them, and moves, restores and sweeps lose none."""

import asyncio
import itertools
import os
import shutil
import signal
import subprocess
import sys
from datetime import timedelta

import pytest

from mainspring.app.stores.backups import back_up, check_store, restore_backup
from mainspring.app.stores.blob_move import move_blobs
from mainspring.app.stores.blob_place import make_blob_contents, read_blob_place
from mainspring.app.stores.store_factory import make_store
from mainspring.app.stores.store_move import move_store
from mainspring.app.workers.blob_sweep import BlobSweep
from mainspring.config.locations import store_path
from mainspring.domain.errors import (
    ArgumentError,
    BlobMissingError,
    CodecUnavailableError,
    ConflictError,
    StoreHeldError,
)
from mainspring.domain.values.blob import DAY_MS, Blob, address_of
from mainspring.service import restore_hold
from mainspring.store.blob_folder import blob_folder
from mainspring.store.maintenance.integrity import IntegrityFinding
from mainspring.store.read.operation_reads import OperationReads
from mainspring.store.s3_blobs import S3Blobs
from tests.contract.store.clock import FakeClock
from tests.unit.actions.s3.s3_server import BUCKET, KEYS, serving_s3
from tests.unit.app.test_blob_copies import CLOCK, SIZE, act, make_app, make_run, new_url, read_result

__all__ = ["new_url"]
KINDS = ("file", "server")
SEEDS = itertools.count(1)
"""Each worker draws words of its own."""
TO = f"s3://{BUCKET}/mainspring"


@pytest.fixture
def server(monkeypatch):
    access, secret = KEYS.split(":")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", access)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with serving_s3() as server:
        yield server


@pytest.fixture
def to_bucket(server):
    """Moves the blobs of a store to the bucket."""

    def move(url, to=TO):
        return move_blobs(
            url, to, region="us-east-1", endpoint=server.endpoint, act=act(), clock=CLOCK, report=lambda line: None
        )

    return move


def list_blob_keys(server):
    return [key for key in server.list_keys() if not key.endswith("/owner")]


def sweep(url, now):
    """Sweep as a worker does; return how many blobs it deleted."""
    clock = FakeClock(now, seed=next(SEEDS))
    contents = make_blob_contents(url)
    store = make_store(url, clock=clock)
    store.open()
    try:
        return BlobSweep(contents, clock, timedelta(milliseconds=1)).sweep(store, now)
    finally:
        store.close()
        contents.close()


@pytest.mark.parametrize("kind", KINDS)
def test_values_move_to_the_bucket_and_back(new_url, server, to_bucket, kind):
    """The store says where they are, so that a program without configuration finds old values and adds new ones there."""
    url = new_url(kind)
    run = make_run(url)
    done = to_bucket(url)
    assert (done.blobs, done.target) == (2, read_blob_place(url).address)
    assert done.target.startswith(f"{TO}/")
    usual = make_blob_contents(url)._usual
    for day in usual.days():
        usual.clear(day, ())
    assert read_result(url, run) == "v" * SIZE
    later = make_run(url)
    assert len(list_blob_keys(server)) == 4
    assert check_store(url) == []
    to_bucket(url, "store")
    for key in server.list_keys():
        server.client.delete_object(Bucket=BUCKET, Key=key)
    assert [read_result(url, each) for each in (run, later)] == ["v" * SIZE] * 2
    assert make_run(url) not in {run, later}
    assert check_store(url) == []


@pytest.mark.parametrize("kind", KINDS)
def test_backup_of_the_bucket_is_restored_into_a_folder_of_its_own(new_url, server, to_bucket, tmp_path, kind):
    """The replaced store keeps its folder, and the restored one has all values in another one."""
    url = new_url(kind)
    make_run(url)
    to_bucket(url)
    run = make_run(url)
    former = read_blob_place(url)
    made = back_up(url, tmp_path / "copies", clock=CLOCK, keep=None)
    assert blob_folder(made.path).is_dir()
    restore_backup(made.path, url, clock=CLOCK)
    place = read_blob_place(url)
    assert place.address != former.address
    assert place.address.rpartition("/")[0] == former.address.rpartition("/")[0] == TO
    store = make_store(url, clock=CLOCK)
    store.open()
    restore_hold.release(store, OperationReads(store.reader), act=act())
    store.close()
    assert check_store(url) == []
    assert read_result(url, run) == "v" * SIZE
    assert make_run(url) != run


@pytest.mark.parametrize(("source", "target"), [("file", "server"), ("server", "file")])
def test_moved_store_has_a_folder_of_its_own(new_url, server, to_bucket, source, target):
    """What becomes of the old store and its folder does not matter to the new one."""
    url, to = new_url(source), new_url(target)
    run = make_run(url)
    to_bucket(url)
    former = read_blob_place(url)
    move_store(url, to, act=act(), clock=CLOCK, report=lambda line: None)
    assert read_blob_place(to).address not in {None, former.address}
    for key in server.list_keys():
        if f"s3://{BUCKET}/{key}".startswith(former.address):
            server.client.delete_object(Bucket=BUCKET, Key=key)
    assert check_store(to) == []
    assert read_result(to, run) == "v" * SIZE
    assert make_run(to) != run


def test_sweep_deletes_what_no_run_needs(new_url, server, to_bucket):
    """All bytes are gone after retention, and the object `owner` is all that stays."""
    url = new_url("file")
    make_run(url)
    to_bucket(url)
    now = CLOCK.now()
    assert sweep(url, now) == 0
    contents = make_blob_contents(url)
    data = b"a put that no commit names"
    contents.put(Blob(contents.first_day, address_of(data), len(data)), data)
    assert len(list_blob_keys(server)) == 3
    for day in range(1, 8):
        sweep(url, now + day * DAY_MS)
    assert len(list_blob_keys(server)) == 2
    assert sum(key.endswith("/owner") for key in server.list_keys()) == 1


def test_copy_of_a_store_deletes_nothing_of_the_original(new_url, server, to_bucket, tmp_path):
    """A staging system that was made by a copy would delete the values that production has added since."""
    url = new_url("file")
    make_run(url)
    to_bucket(url)
    now = CLOCK.now()
    sweep(url, now)
    copy = f"sqlite:///{tmp_path / 'staging.db'}"
    shutil.copy(store_path(url), store_path(copy))
    later = make_run(url)
    sweep(url, now + 1)
    with pytest.raises(ConflictError, match="another copy of this store") as caught:
        for day in range(2, 9):
            sweep(copy, now + day * DAY_MS)
    assert f"mainspring db move-blobs --to {TO}" in caught.value.hint
    assert read_result(url, later) == "v" * SIZE
    to_bucket(copy)
    for day in range(10, 20):
        sweep(copy, now + day * DAY_MS)
    assert check_store(url) == []
    assert check_store(copy) == []


def test_turns_of_several_workers_are_those_of_one_store(server):
    """Each worker takes its turn over any turn of its store, also if another one was faster."""
    contents = S3Blobs(f"{TO}/a", "us-east-1", server.endpoint)
    met = []
    for turn in ("t1", "t3", "t2"):
        contents.take_turn(turn, lambda former: met.append(former) or True)
    assert met == ["", "t1", "t3"]

    def lose_the_race(former):
        if former == "t2":
            S3Blobs(f"{TO}/a", "us-east-1", server.endpoint).take_turn("t4", lambda former: True)
        met.append(former)
        return True

    contents.take_turn("t5", lose_the_race)
    assert met[3:] == ["t2", "t4"]
    with pytest.raises(ConflictError):
        contents.take_turn("u1", lambda former: False)
    contents.close()


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_long_outage_ends_no_right_to_delete(new_url, server, to_bucket, monkeypatch, method):
    """Sweeps that reach no bucket, or may not write it, push the turn that the bucket has out of no list."""
    monkeypatch.setattr("mainspring.store.write.blobs._RECORDED_TURNS", 5)
    url = new_url("file")
    make_run(url)
    to_bucket(url)
    now = CLOCK.now()
    sweep(url, now)
    server.fault = lambda request: 403 if request.startswith(method) else None
    for second in range(1, 9):
        contents, clock = make_blob_contents(url), FakeClock(now + second, seed=next(SEEDS))
        store = make_store(url, clock=clock)
        store.open()
        with pytest.raises(CodecUnavailableError):
            BlobSweep(contents, clock).sweep(store, now + second)
        store.close()
        contents.close()
    server.fault = lambda request: None
    assert sweep(url, now + DAY_MS) == 0


def test_failed_sweep_is_tried_again_after_a_while(new_url, server, to_bucket):
    """Upkeep shares a thread with the declaration of dead processes, so it must not wait for a bucket each second."""
    url = new_url("file")
    make_run(url)
    to_bucket(url)
    now = CLOCK.now()
    clock, contents = FakeClock(now), make_blob_contents(url)
    store = make_store(url, clock=clock)
    store.open()
    swept = BlobSweep(contents, clock)
    server.fault = lambda request: 403
    server.requests.clear()
    for _ in range(5):
        with pytest.raises(CodecUnavailableError):  # it stays among the findings
            swept.run_if_due(store)
    assert len(server.requests) == 1
    server.fault = lambda request: None
    clock.forward(60_000)
    swept.run_if_due(store)
    store.close()
    contents.close()


def test_restore_without_its_values_changes_nothing(new_url, server, to_bucket, tmp_path):
    """A bucket that refuses the values of the backup is no reason to restore a store without them."""
    url = new_url("file")
    make_run(url)
    to_bucket(url)
    run = make_run(url)
    made = back_up(url, tmp_path / "copies", clock=CLOCK, keep=None)
    server.fault = lambda request: 403 if request.startswith("PUT") else None
    with pytest.raises(CodecUnavailableError, match="cannot be stored"):
        restore_backup(made.path, url, clock=CLOCK)
    server.fault = lambda request: None
    assert read_result(url, run) == "v" * SIZE


@pytest.mark.parametrize("kind", KINDS)
def test_backup_of_the_bucket_is_restored_on_another_machine(new_url, server, to_bucket, tmp_path, kind):
    """Nothing of the former place is needed, and new values are stored at once, although their days were closed for the bucket."""
    url, other = new_url(kind), new_url(kind)
    make_run(url)
    to_bucket(url)
    run = make_run(url)
    made = back_up(url, tmp_path / "copies", clock=CLOCK, keep=None)
    server.fault = lambda request: 503
    restore_backup(made.path, other, clock=CLOCK)
    store = make_store(other, clock=CLOCK)
    store.open()
    restore_hold.release(store, OperationReads(store.reader), act=act())
    store.close()
    assert check_store(other) == []
    assert read_result(other, run) == "v" * SIZE
    assert make_run(other) != run


def test_check_names_damage_although_the_bucket_is_away(new_url, server, to_bucket, monkeypatch):
    """What was found in the store itself must not be lost."""
    url = new_url("file")
    make_run(url)
    to_bucket(url)
    found = IntegrityFinding("a page is damaged")
    monkeypatch.setattr("mainspring.app.stores.backups.check_file", lambda path: [found])
    server.fault = lambda request: 403
    findings = check_store(url)
    assert findings[0] == found
    assert "cannot be listed" in findings[1].what


@pytest.mark.parametrize(
    "prefix", ["a/../b", "a/./b", "a//b", "/a", "p" * 201, "a\nb", "a\x7fb"], ids=lambda prefix: repr(prefix)[:12]
)
def test_prefix_that_would_be_changed_on_its_way_is_refused(new_url, server, to_bucket, prefix):
    """A client resolves dots, and a long or unprintable address is cut where it is written."""
    url = new_url("file")
    make_run(url)
    with pytest.raises(ArgumentError):
        to_bucket(url, f"s3://{BUCKET}/{prefix}")
    assert server.list_keys() == []


@pytest.mark.parametrize("prefix", ["", "/", "a/", "große werte/ü+%20 &?#", "p" * 200, "\U0001f600" * 200])
def test_prefix_of_any_printable_text_holds_values(new_url, server, to_bucket, prefix):
    """They are read, listed, checked and deleted there."""
    url = new_url("file")
    run = make_run(url)
    to_bucket(url, f"s3://{BUCKET}/{prefix}")
    shutil.rmtree(blob_folder(store_path(url)))
    assert read_result(url, run) == "v" * SIZE
    assert check_store(url) == []
    assert all(key.startswith(prefix.strip("/")) for key in server.list_keys())
    clock = CLOCK.now()
    contents = make_blob_contents(url)
    assert sweep(url, clock) == 0
    assert contents.clear(contents.days()[0], ()) == 2
    contents.close()


@pytest.mark.parametrize("status", [404, 410, 503])
def test_answer_of_another_server_is_no_absent_value(server, status):
    """A proxy in front of the bucket answers with a page of its own: the run waits, and does not halt."""
    server.fault = lambda request: status
    with pytest.raises(CodecUnavailableError):
        S3Blobs(f"{TO}/a", "us-east-1", server.endpoint).get(Blob(20_000, address_of(b"x"), 1))


def test_error_of_the_system_is_an_outage(server, monkeypatch, tmp_path):
    """Such as a program for keys that is absent: a person can install it, and the run must not halt."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    (tmp_path / "config").write_text("[default]\ncredential_process = /absent-program\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    blobs = S3Blobs(f"{TO}/a", "us-east-1", server.endpoint)
    with pytest.raises(CodecUnavailableError, match="absent-program"):
        blobs.put(Blob(20_000, address_of(b"x"), 1), b"x")


@pytest.mark.parametrize("fault", ["PUT", "GET", "POST"])
def test_bucket_that_cannot_be_used_is_found_before_the_move(new_url, server, to_bucket, fault):
    """Also if there is no value yet: the first one must not wait for ever."""
    url = new_url("file")
    store = make_store(url, clock=CLOCK)
    store.open()
    store.close()
    server.fault = lambda request: 403 if request.startswith(fault) else None
    with pytest.raises(CodecUnavailableError):
        to_bucket(url)
    with pytest.raises(CodecUnavailableError, match="NoSuchBucket"):
        server.fault = lambda request: None
        to_bucket(url, "s3://missing-bucket/a")
    assert read_blob_place(url) is None


def test_move_that_finds_a_value_absent_changes_nothing(new_url, server, to_bucket):
    """The store still uses its folder."""
    url = new_url("file")
    make_run(url)
    folder = blob_folder(store_path(url))
    away = folder.with_name("moved away")
    folder.rename(away)
    with pytest.raises(BlobMissingError, match="2 blobs of large values are absent"):
        to_bucket(url)
    away.rename(folder)
    assert read_blob_place(url) is None
    assert check_store(url) == []


@pytest.mark.parametrize(
    ("to", "error"),
    [("gs://bucket/a", ArgumentError), ("s3://-/a", ArgumentError), ("store", ConflictError)],
)
def test_bad_places_are_refused(new_url, server, to_bucket, to, error):
    """Nothing is copied and nothing recorded."""
    url = new_url("file")
    make_run(url)
    with pytest.raises(error):
        to_bucket(url, to)


def test_bucket_that_is_away_or_absent_is_named(server):
    """The error says what S3 answered and where, and no key."""
    contents = S3Blobs("s3://missing-bucket/a/b", "us-east-1", server.endpoint)
    blob = Blob(20_000, address_of(b"x"), 1)
    with pytest.raises(CodecUnavailableError, match=r"cannot be stored: .*NoSuchBucket.*\nin s3://missing-bucket/a/b"):
        contents.put(blob, b"x")
    server.fault = lambda request: 403
    with pytest.raises(CodecUnavailableError, match=r"cannot be read: .*403"):
        S3Blobs(f"{TO}/a", "us-east-1", server.endpoint).get(blob)


def test_running_program_stops_the_move(new_url, server, to_bucket):
    """A program that puts beside the store would do so after the move too."""
    url = new_url("file")
    app, echo = make_app(url)

    async def work():
        async with app.running():
            await (await app.start(echo, "small")).result(60)
            with pytest.raises(StoreHeldError):
                await asyncio.to_thread(to_bucket, url)

    asyncio.run(work())


MOVE = """
import sys
from mainspring.app.stores.blob_move import move_blobs
from mainspring.store import failpoints
from tests.unit.app.test_blob_copies import CLOCK, act
failpoints.install(failpoints.parse(sys.argv[3]))
move_blobs(sys.argv[1], sys.argv[4], region="us-east-1", endpoint=sys.argv[2], act=act(), clock=CLOCK, report=print)
"""


@pytest.mark.slow
@pytest.mark.parametrize("to", [TO, f"s3://{BUCKET}", f"s3://{BUCKET}/"])
@pytest.mark.parametrize("place", ["blob.before", "blob.after", "blobs.copied"])
def test_killed_move_continues_in_the_same_folder(new_url, server, to_bucket, place, to):
    """Until the commit the store uses the old place; the next call copies the rest."""
    url = new_url("file")
    run = make_run(url)
    killed = subprocess.run(
        [sys.executable, "-c", MOVE, url, server.endpoint, f"{place}:kill", to], check=False, env=os.environ
    )
    assert killed.returncode == -signal.SIGKILL
    assert read_blob_place(url) is None
    assert read_result(url, run) == "v" * SIZE
    done = to_bucket(url, to)
    folders = {key.split("/")[-3] for key in list_blob_keys(server)}
    assert folders == {done.target.rpartition("/")[2]}
    shutil.rmtree(blob_folder(store_path(url)))
    assert read_result(url, run) == "v" * SIZE
