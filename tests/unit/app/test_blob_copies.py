"""Backups, restores and moves of a store carry the blobs of its large values, and a check finds those that are absent."""

import asyncio
import io
import itertools
import shutil
from pathlib import Path

import pytest

import mainspring as ms
from mainspring.app.stores.backups import back_up, check_store, restore_backup
from mainspring.app.stores.blob_place import make_blob_contents
from mainspring.app.stores.store_factory import make_store
from mainspring.app.stores.store_move import move_store
from mainspring.domain.clock import SystemClock
from mainspring.domain.errors import StoreError
from mainspring.engine.definitions.registry import Registry
from mainspring.service import restore_hold
from mainspring.service.actor import Actor, operation_context
from mainspring.store.blob_folder import blob_folder
from mainspring.store.read.operation_reads import OperationReads

KINDS = ("file", "server")
SIZE = 400_000
FILE = bytes(range(256)) * 20_000
CLOCK = SystemClock()


@pytest.fixture
def new_url(request, tmp_path):
    """Makes the address of an empty store of a kind."""
    numbers = itertools.count(1)

    def make(kind):
        if kind == "file":
            return f"sqlite:///{tmp_path / f'{next(numbers)}.db'}"
        return request.getfixturevalue("postgres").new_store()

    return make


def make_app(url):
    registry = Registry()
    with registry:

        @ms.workflow(concurrency=1)
        async def echo(run: ms.Run, text: str) -> str:
            return text

        @ms.task
        async def keep(file: ms.FileRef) -> ms.FileRef:
            return file

    return ms.App(url, registry=registry), echo


def make_run(url):
    """Run one with a large input and result; return its id and its value."""
    app, echo = make_app(url)

    async def work():
        async with app.running():
            handle = await app.start(echo, "v" * SIZE)
            assert await handle.result(60) == "v" * SIZE
            return handle.id

    return asyncio.run(work())


def make_file_run(url):
    """Run one with a file of two chunks; return its id."""
    app, _ = make_app(url)

    async def work():
        async with app.running():
            handle = await app.start("keep", await app.put_file(io.BytesIO(FILE), name="large.bin"))
            await handle.result(60)
            return handle.id

    return asyncio.run(work())


def read_file(url, run):
    app, _ = make_app(url)
    try:
        with asyncio.run(app.handle(run).result()).open() as file:
            return file.read()
    finally:
        app.close()


def read_result(url, run):
    app, _ = make_app(url)
    handle = app.handle(run)
    try:
        return asyncio.run(handle.result())
    finally:
        app.close()


def act():
    return operation_context(Actor.cli("ann", "box"), CLOCK)


@pytest.mark.parametrize("kind", KINDS)
def test_backup_has_its_blobs_and_restores_them(new_url, tmp_path, kind):
    """The store is gone with all its blobs: both come back, and new runs use the restored store, also those with a key."""
    url = new_url(kind)
    run = make_run(url)
    made = back_up(url, tmp_path / "copies", clock=CLOCK, keep=None)
    assert blob_folder(made.path).is_dir()
    contents = make_blob_contents(url)
    for day in contents.days():
        contents.clear(day, ())
    contents.close()
    (found,) = check_store(url)
    assert "2 blobs of large values are absent" in found.what
    with pytest.raises(StoreError, match="2 blobs of large values are absent"):
        back_up(url, tmp_path / "copies", clock=CLOCK, keep=None)
    restore_backup(made.path, url, clock=CLOCK)
    store = make_store(url, clock=CLOCK)
    store.open()
    restore_hold.release(store, OperationReads(store.reader), act=act())
    store.close()
    assert check_store(url) == []
    assert read_result(url, run) == "v" * SIZE
    assert make_run(url) != run


@pytest.mark.parametrize("kind", KINDS)
def test_restored_store_has_its_files(new_url, tmp_path, kind):
    """Their chunks come back, and the store knows the references as its own."""
    url = new_url(kind)
    run = make_file_run(url)
    made = back_up(url, tmp_path / "copies", clock=CLOCK, keep=None)
    contents = make_blob_contents(url)
    for day in contents.days():
        contents.clear(day, ())
    contents.close()
    with pytest.raises(ms.MainspringError, match=r"part 1 of 2 of file 'large\.bin'"):
        read_file(url, run)
    restore_backup(made.path, url, clock=CLOCK)
    assert check_store(url) == []
    assert read_file(url, run) == FILE


@pytest.mark.parametrize(("source", "target"), [("file", "server"), ("server", "file")])
def test_moved_store_has_its_files(new_url, source, target):
    """The key of the store moves with it."""
    url, to = new_url(source), new_url(target)
    run = make_file_run(url)
    move_store(url, to, act=act(), clock=CLOCK, report=lambda line: None)
    assert check_store(to) == []
    assert read_file(to, run) == FILE
    assert make_file_run(to) != run


def test_replaced_store_has_blobs_of_its_own(new_url, tmp_path):
    """The restored store does not know values that are newer than the backup, and deletes their blobs. The old one keeps them."""
    url = new_url("file")
    make_run(url)
    made = back_up(url, tmp_path / "copies", clock=CLOCK, keep=None)
    later = make_run(url)
    done = restore_backup(made.path, url, clock=CLOCK)
    contents = make_blob_contents(url)
    for day in contents.days():
        contents.clear(day, ())
    previous = f"sqlite:///{done.previous_store}"
    assert check_store(previous) == []
    assert read_result(previous, later) == "v" * SIZE


@pytest.mark.parametrize("kind", KINDS)
def test_removed_backups_take_their_blobs_along(new_url, tmp_path, kind):
    """`keep` counts both."""
    url = new_url(kind)
    make_run(url)
    folder = tmp_path / "copies"
    made = [back_up(url, folder, clock=CLOCK, keep=1).path for _ in range(2)]
    assert sorted(path.name for path in folder.iterdir()) == sorted([made[1].name, blob_folder(made[1]).name])


@pytest.mark.parametrize(("source", "target"), [("file", "server"), ("server", "file")])
def test_move_carries_the_blobs(new_url, source, target):
    """The values are at the new place, whatever becomes of the old one."""
    url, to = new_url(source), new_url(target)
    run = make_run(url)
    move_store(url, to, act=act(), clock=CLOCK, report=lambda line: None)
    if source == "file":
        shutil.rmtree(blob_folder(path_of(url)))
    assert check_store(to) == []
    assert read_result(to, run) == "v" * SIZE
    assert make_run(to) != run


def path_of(url):
    return Path(url.removeprefix("sqlite:///"))
