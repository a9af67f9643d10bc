"""A store that went back in time, or is damaged, under real processes: on hold, one page, and a person decides."""

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.stopping import Site
from tests.acceptance.works import is_alive

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
ROLES = "worker,scheduler,watcher"
CODE = """
import mainspring as ms

@ms.task
def effect(name: str) -> str:
    with open("effects", "a") as file:
        file.write(f"{name}\\n")
    return name

@ms.workflow
async def asks(run: ms.Run) -> None:
    await run.receive("go")
"""
LOST = r"mainspring: the store went back in time: \d+ commits? missing, between .* UTC and .* UTC"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path / "site", CODE)
    yield made
    made.close()
    Site.made.remove(made)


def up(site: Site) -> None:
    """Start a supervisor, and wait for a worker and a watcher."""
    site.up(ROLES)
    site.one_of("worker")
    site.one_of("watcher")


def run(site: Site, name: str) -> None:
    done = site.call("run", "effect", f"name={name}")
    assert done.returncode == 0, done.stderr


def ended(site: Site) -> bool:
    return site.ups[-1].poll() is not None


def stop(site: Site, method: int = signal.SIGTERM) -> None:
    """End the supervisor and all that it keeps."""
    live = [pid for role in ROLES.split(",") for pid in site.live(role)]
    if method == signal.SIGKILL:
        for pid in live:
            os.kill(pid, method)
    site.ups[-1].send_signal(method)
    site.until(lambda: ended(site) and not any(is_alive(pid) for pid in live), "it does not end")


def effects(site: Site) -> list[str]:
    return (site.folder / "effects").read_text().split()


def status(site: Site) -> subprocess.CompletedProcess[bytes]:
    return site.call("status")


def copy_of(site: Site) -> Path:
    """Copy the store by hand, with nothing at work on it. A process that was killed leaves its log beside the file: it is put in first."""
    copy = site.folder / "copy.db"
    checkpoint(site)
    shutil.copy(site.store, copy)
    return copy


def checkpoint(site: Site) -> None:
    """Put the log of the store into its file."""
    stored = sqlite3.connect(site.store)
    stored.execute("pragma wal_checkpoint(truncate)")
    stored.close()


def assert_held_then_release(site: Site) -> None:
    """One page; nothing starts; status is not green; decided and released, all is over."""
    site.until(lambda: ("commits_lost", "") in site.incidents(), "no incident")
    site.until(lambda: any("went back in time" in line for _, line in site.notices()), "no one is notified")
    (message,) = {line for about, line in site.notices() if about == "opened" and "the store cannot" not in line}
    assert re.fullmatch(rf"\[page\] {LOST}.*", message), message
    found = status(site)
    assert found.returncode == 9
    assert b"is on hold: no run starts" in found.stdout
    done = site.call("run", "effect", "name=meanwhile", "--detach")
    assert done.returncode == 0, done.stderr
    undecided = json.loads(site.call("db", "restore", "--undecided", "--json").stdout)
    assert [delivery["automation"] for delivery in undecided] == ["asks"]
    assert site.call("db", "restore", "--decide", "cancel", "-y").returncode == 0
    assert "meanwhile" not in effects(site)
    released = site.call("db", "restore", "--release")
    assert released.returncode == 0, released.stderr
    site.until(lambda: "meanwhile" in effects(site), "what was queued meanwhile does not run")
    site.until(
        lambda: site.notices()[-1][0] == "resolved" and "went back" in site.notices()[-1][1],
        "no one is notified of its end",
    )
    assert status(site).returncode == 0


def begin(site: Site) -> Path:
    """Work, stop, copy, work on: what the copy lacks is one run, and a run waits in both."""
    up(site)
    run(site, "first")
    assert site.call("run", "asks", "--detach").returncode == 0
    site.until(lambda: site.rows("select 1 from runs where state = 'waiting'"), "it does not wait")
    stop(site)
    copy = copy_of(site)
    up(site)
    run(site, "second")
    return copy


def test_a_file_replaced_under_up_by_an_older_copy_is_held(site: Site) -> None:
    """All that worked on it ends; started again, it holds the store, and nothing is done a second time."""
    begin(site).replace(site.store)
    site.until(lambda: ended(site), "the supervisor goes on")
    (site.folder / "state" / "s.db-wal").unlink(missing_ok=True)
    (site.folder / "state" / "s.db-shm").unlink(missing_ok=True)
    observer = site.call("runs", "list")
    assert b"the store went back in time" in observer.stderr
    assert b"the next process that writes puts the store on hold" in status(site).stdout.lower()
    assert b"went back in time" in site.call("doctor").stdout
    up(site)
    assert_held_then_release(site)
    assert effects(site) == ["first", "second", "meanwhile"]


def put(file: Path, site: Site) -> None:
    """Put a file in the place of a stopped store, without the log of the file that was there."""
    for end in ("-wal", "-shm"):
        site.store.with_name(f"{site.store.name}{end}").unlink(missing_ok=True)
    file.replace(site.store)


@pytest.mark.parametrize("accepts", [False, True])
def test_the_newer_file_put_back_is_no_loss_unless_the_older_copy_accepted_something(
    site: Site, *, accepts: bool
) -> None:
    """The first step of docs/how-to/backups.md: stop everything, put it back, start. The incident was acknowledged meanwhile."""
    copy = begin(site)
    stop(site)
    newer = site.folder / "newer.db"
    checkpoint(site)
    shutil.copy(site.store, newer)
    put(copy, site)
    up(site)
    site.until(lambda: ("commits_lost", "") in site.incidents(), "no incident")
    assert site.call("incidents", "ack", "@last").returncode == 0
    if accepts:
        assert site.call("run", "effect", "name=on-hold", "--detach").returncode == 0
    stop(site)
    put(newer, site)
    # In other words if the older copy made as many commits as the newer file has.
    assert ("✗ commits" in site.call("doctor").stdout.decode()) is accepts
    up(site)
    if accepts:
        site.until(
            lambda: ("commits_lost", "") in site.incidents(), "a run that was accepted is lost, and no one is notified"
        )
        assert status(site).returncode == 9
        return
    assert status(site).returncode == 0, status(site).stdout
    run(site, "third")
    assert effects(site) == ["first", "second", "third"]
    assert ("commits_lost", "") not in site.incidents()
    assert status(site).returncode == 0


def test_a_log_cut_off_while_everything_was_stopped_is_held(site: Site) -> None:
    """After a kill the newest commits are in the log alone."""
    up(site)
    run(site, "first")
    assert site.call("run", "asks", "--detach").returncode == 0
    site.until(lambda: site.rows("select 1 from runs where state = 'waiting'"), "it does not wait")
    stop(site, signal.SIGKILL)
    log = site.folder / "state" / "s.db-wal"
    os.truncate(log, log.stat().st_size - 4096)
    up(site)
    site.until(lambda: ("commits_lost", "") in site.incidents(), "no incident")
    assert status(site).returncode == 9


def flip_page_of(site: Site, table: str) -> None:
    """Flip bits in the first page of a table of a stopped store."""
    ((page, size),) = site.rows(
        "select rootpage, (select page_size from pragma_page_size) from sqlite_schema where name = ?", table
    )
    with site.store.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * 16)


def test_a_damaged_page_is_an_incident_within_a_minute_of_being_met(site: Site) -> None:
    """A page that no process of `up` reads: a person's command meets it, and the watcher pages for it."""
    up(site)
    run(site, "first")
    stop(site)
    flip_page_of(site, "people")
    up(site)
    assert site.call("db", "check").returncode != 0
    site.until(lambda: ("store_damaged", "") in site.incidents(), "no incident")
    site.wait_for_notice()
    assert site.opened.startswith("mainspring: the store's file is damaged: ")
    assert status(site).returncode == 9
    assert b"mainspring db restore" in site.call("doctor").stdout


def test_damage_that_lets_no_process_write_is_paged_without_the_store(site: Site) -> None:
    """No incident can be written; the channels are reported straight."""
    up(site)
    run(site, "first")
    stop(site)
    flip_page_of(site, "people")
    flip_page_of(site, "incidents")
    up(site)
    assert site.call("db", "check").returncode != 0
    site.wait_for_notice()
    assert "the store cannot be read or written: the store's file is damaged" in site.opened
