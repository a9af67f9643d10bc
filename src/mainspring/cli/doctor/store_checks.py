"""Checks of the configuration, the store, its file and its surroundings."""

import os
import stat
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from mainspring.cli.context import Invocation
from mainspring.cli.doctor.checks import CheckResult, make_ok_result
from mainspring.insight.status.stuck_work import LOW_SPACE
from mainspring.insight.text.formatting import format_count

MIB = 1024 * 1024
MIN_FREE_BYTES = 64 * MIB
_MAX_RECORDS_NAMED = 10

_CREATE = "If the name is right, create the store: mainspring up, or the first mainspring exec"


def check_config(invocation: Invocation) -> Iterator[CheckResult]:
    """Report the configuration file; an invalid one is an error of its own."""
    settings = invocation.settings
    source = str(settings.file) if settings.file else "no file: defaults and variables only"
    yield make_ok_result("config", f"{source} (environment {settings.project.environment})")


def check_store(invocation: Invocation) -> Iterator[CheckResult]:
    """Check that this user can read and write the store."""
    if invocation.settings.store.is_remote:
        yield from _check_server(invocation)
        return
    path = invocation.path
    if not invocation.is_there():
        folder = _nearest_folder(path)
        if not os.access(folder, os.W_OK):
            fix = "Create the folder, or set store.url."
            yield CheckResult("store", "problem", f"none yet, and {folder} is not writable", fix)
        elif "store.url" in invocation.settings.sources:
            text = f"{invocation.settings.sources['store.url']} names {path}, but there is no store"
            yield CheckResult(
                "store",
                "problem",
                text,
                _CREATE,
            )
        else:
            yield make_ok_result(
                "store", f"none yet; `mainspring up`, or the first `mainspring exec`, creates it at {path}"
            )
        return
    from mainspring.store.sqlite.filesystem import write_fault

    invocation.reader.read("read_meta", ("store",))
    if fault := write_fault(path.parent):
        yield CheckResult(
            "store",
            "problem",
            f"{path} cannot be written: {fault}",
            "See why: dmesg | tail. Then make its disk writable.",
        )
    elif os.access(path, os.W_OK) and os.access(path.parent, os.W_OK):
        yield make_ok_result("store", f"{path}, {path.stat().st_size / MIB:,.1f} MiB")
    else:
        yield CheckResult(
            "store", "problem", f"{path} is read-only", "Make the file and its folder writable for this user."
        )


def _check_server(invocation: Invocation) -> Iterator[CheckResult]:
    from mainspring.domain.errors import NoStoreError

    try:
        invocation.reader.read("read_meta", ("store",))
    except NoStoreError:
        yield CheckResult("store", "problem", f"there is no store at {invocation.location}", _CREATE)
    else:
        notice = invocation.reader.notice
        yield make_ok_result("store", f"{invocation.location}; {notice}" if notice else invocation.location)


def check_commits(invocation: Invocation) -> Iterator[CheckResult]:
    """Check that the store has every acknowledged commit and no damaged page, as far as any process knows."""
    if not invocation.settings.store.is_remote and not invocation.is_there():
        return
    from mainspring.domain.errors import NoStoreError
    from mainspring.store.read.status.store_findings import store_findings

    try:
        findings = store_findings(invocation.reader)
    except NoStoreError:
        return
    for finding in findings:
        yield CheckResult("commits", "problem", finding.text, finding.hint)
    fault = _find_mark_fault(invocation)
    if fault is not None:
        fix = (
            "Make it a file of this user, or delete it. Until then Mainspring does not notice if the store "
            "goes back in time."
        )
        yield CheckResult("commits", "warning", fault, fix)
    if not findings and fault is None:
        yield make_ok_result("commits", "no commit is missing, and no damage is known")


def _find_mark_fault(invocation: Invocation) -> str | None:
    """Return why the commit mark next to a file cannot be used; None if it can, or does not exist yet."""
    if invocation.settings.store.is_remote:
        return None
    from mainspring.store.sqlite.store_mark import mark_of

    mark = mark_of(invocation.path)
    if not os.path.lexists(mark):
        return None
    if mark.is_symlink() or not mark.is_file():
        return f"the commit mark is not a regular file: {mark}"
    return None if os.access(mark, os.R_OK | os.W_OK) else f"the commit mark cannot be read and written: {mark}"


def check_large_values(invocation: Invocation) -> Iterator[CheckResult]:
    """Say where the large values of the store are, and check that this process can read a bucket."""
    from mainspring.app.stores.blob_place import find_blob_contents
    from mainspring.domain.errors import CodecUnavailableError

    contents = find_blob_contents(invocation.settings.store.url)
    try:
        if contents.is_remote:
            contents.sizes(0)
        yield make_ok_result("large-values", contents.place)
    except CodecUnavailableError as error:
        yield CheckResult("large-values", "problem", error.message, error.hint or "")
    finally:
        contents.close()


def check_space(invocation: Invocation) -> Iterator[CheckResult]:
    """Check the free space for the store's growth."""
    if invocation.settings.store.is_remote:
        return
    from mainspring.store.sqlite.filesystem import free_bytes

    free = free_bytes(_nearest_folder(invocation.path))
    text = f"{free // MIB:,} MiB are free beside the store"
    if free >= LOW_SPACE:
        yield make_ok_result("space", text)
    else:
        yield CheckResult(
            "space",
            "problem" if free < MIN_FREE_BYTES else "warning",
            text,
            "Free disk space: mainspring db prune, or a larger disk.",
        )


def check_write_ahead_log(invocation: Invocation) -> Iterator[CheckResult]:
    """Check that the write-ahead log is emptied: no read lasts so long that it only grows."""
    if invocation.settings.store.is_remote:
        return
    from mainspring.store.sqlite.log_readers import LARGE_LOG, lasting_readers, log_size

    size, readers = log_size(invocation.path), lasting_readers(invocation.path)
    text = f"the write-ahead log has {size // MIB:,} MiB"
    if readers:
        names = ", ".join(f"process {reader.pid} ({reader.name})" for reader in readers)
        text_with_readers = f"{text} and cannot be emptied: {names} keeps reading the store"
        fix = "End that read, or that process."
        yield CheckResult("log", "problem" if size > LARGE_LOG else "warning", text_with_readers, fix)
    elif size > LARGE_LOG:
        fix = (
            "It is emptied when no process reads for a moment. If it stays, stop all processes that use the "
            "store, then: mainspring db check"
        )
        yield CheckResult("log", "warning", text, fix)
    else:
        yield make_ok_result("log", text)


def check_file_system(invocation: Invocation) -> Iterator[CheckResult]:
    """Check that the store is on a local disk."""
    if invocation.settings.store.is_remote:
        return
    from mainspring.store.sqlite.filesystem import refuse_network

    refuse_network(invocation.path)
    yield make_ok_result("filesystem", "local")


def check_sqlite(invocation: Invocation) -> Iterator[CheckResult]:
    """Check that the SQLite in use cannot damage the file."""
    if invocation.settings.store.is_remote:
        return
    from mainspring.store.sqlite.connection import refuse_unsafe_sqlite

    sqlite_version = version("apsw")  # its version contains the number of the SQLite inside
    refuse_unsafe_sqlite(sqlite_version)
    yield make_ok_result("sqlite", f"SQLite {'.'.join(sqlite_version.split('.')[:3])}")


def check_schema(invocation: Invocation) -> Iterator[CheckResult]:
    """Check that the store has the schema version of this program."""
    if invocation.settings.store.is_remote:
        return
    from mainspring.store.sqlite.schema_check import require_schema_version

    if invocation.is_there():
        require_schema_version(invocation.path)
        yield make_ok_result("schema", "the schema is that of this version")


def check_file_modes(invocation: Invocation) -> Iterator[CheckResult]:
    """Check that no other user can read the store or change the configuration."""
    path = None if invocation.settings.store.is_remote else invocation.path
    faults = [
        CheckResult("modes", "warning", f"other users may read {file}", f"chmod 600 {file}")
        for file in (() if path is None else (path, path.with_name(f"{path.name}-wal")))
        if _is_reachable(file) and stat.S_IMODE(file.stat().st_mode) & 0o077
    ]
    settings = invocation.settings.file
    if settings is not None and stat.S_IMODE(settings.stat().st_mode) & 0o002:
        faults.append(CheckResult("modes", "problem", f"any user may change {settings}", f"chmod o-w {settings}"))
    yield from faults or [make_ok_result("modes", "only you may access store and configuration")]


def check_other_store(invocation: Invocation) -> Iterator[CheckResult]:
    """Check that there is no second store to which this user may write by mistake."""
    from mainspring.config.locations import ProcessSurroundings, default_store_path

    surroundings = ProcessSurroundings(os.environ, Path.cwd(), os.getuid())
    other = default_store_path(surroundings, invocation.settings.project.environment)
    if str(other) == invocation.location or not _is_reachable(other):
        yield make_ok_result("other-store", "no other store of this user in the usual place")
        return
    yield CheckResult(
        "other-store",
        "warning",
        f"there is another store of this user: {other}",
        f"Runs without this configuration are there: mainspring --store {other} status",
    )


def check_spool(invocation: Invocation) -> Iterator[CheckResult]:
    """Check that the spool's records, written while the store was unreachable, were imported."""
    from mainspring.app.exec.project_spool import make_project_spool

    spool = make_project_spool(invocation.settings)
    waiting, bad = spool.names(), spool.bad_names()
    unclaimed = [*_check_unclaimed_records(invocation)]
    yield from unclaimed
    fault = spool.find_fault()
    if fault is not None:
        yield CheckResult("spool", "problem", fault.text, fault.fix)
    if waiting:
        yield CheckResult(
            "spool",
            "warning",
            f"{format_count(len(waiting), 'record')} of wrapped commands not imported yet",
            "A worker imports them, or the next: mainspring exec, mainspring watch",
        )
    if bad:
        yield CheckResult(
            "spool", "problem", f"{format_count(len(bad), 'record')} cannot be read", f"Read {spool.path_of(bad[0])}"
        )
    if not waiting and not bad and not unclaimed and fault is None:
        yield make_ok_result("spool", "empty")


def _check_unclaimed_records(invocation: Invocation) -> Iterator[CheckResult]:
    """Report records whose store is unknown, unless they are of the configuration file of another project."""
    from mainspring.config.loading import UNCLAIMED_SPOOL_PREFIX
    from mainspring.config.locations import ProcessSurroundings, state_folder
    from mainspring.insight.text.formatting import escape_text, format_instant
    from mainspring.service.spool import Spool

    settings = invocation.settings
    zone, target = settings.project.timezone, settings.exec.spool
    around = ProcessSurroundings(os.environ, Path.cwd(), os.getuid())
    for folder in sorted(state_folder(around).glob(f"{UNCLAIMED_SPOOL_PREFIX}*")):
        records = [] if folder == settings.unclaimed_spool else Spool(folder).read_records()
        records = [record for record in records if record.config in (None, str(settings.file))]
        if not records:
            continue
        runs = (record.run for record in records[-_MAX_RECORDS_NAMED:])
        texts = (f"{run.automation} {run.state} {format_instant(run.finished_at, zone)} {zone}" for run in runs)
        yield CheckResult(
            "spool",
            "warning",
            f"{format_count(len(records), 'record')} of wrapped commands belong to no known store: "
            f"{escape_text(', '.join(texts))}; in {folder}",
            "The configuration could not be read when they were written. If they belong to this project: "
            f"mkdir -p {target} && mv {folder}/*.run.json {target}",
        )


def _nearest_folder(path: Path) -> Path:
    """Return the nearest existing folder above."""
    return next(folder for folder in path.parents if _is_reachable(folder))


def _is_reachable(path: Path) -> bool:
    return os.path.exists(path)  # noqa: PTH110 - no error on EACCES
