"""What Python and its standard library raise: files, sockets, processes, formats, mistakes in code."""

import asyncio
import binascii
import configparser
import copy
import csv
import datetime
import decimal
import errno
import gzip
import http.client
import io
import ipaddress
import json
import lzma
import os
import pickle
import re
import shutil
import socket
import sqlite3
import struct
import subprocess
import sys
import tarfile
import tomllib
import uuid
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

from tests.unit.domain.corpus import AUTH, OTHER, VALID, Case, P, T, U


def _errno(name: str) -> None:
    raise OSError(getattr(errno, name), os.strerror(getattr(errno, name)))


def _full() -> None:
    with open("/dev/full", "wb", buffering=0) as file:
        file.write(b"x")


def _pipe_without_reader() -> None:
    read, write = os.pipe()
    os.close(read)
    try:
        os.write(write, b"x")
    finally:
        os.close(write)


def _nothing_to_read() -> None:
    left, right = socket.socketpair()
    with left, right:
        left.setblocking(False)
        left.recv(1)


def _reset() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        peer, _ = server.accept()
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()
        client.recv(1)


def _port_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_server(server.getsockname())


def _no_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        client.settimeout(0.01)
        client.recv(1)


def _refused() -> None:
    socket.create_connection(("127.0.0.1", 1))


def _port_out_of_range() -> None:
    with socket.socket() as listening:
        listening.connect(("127.0.0.1", 99_999))


def _loop_of_links(folder: Path) -> None:
    (folder / "a").symlink_to(folder / "b")
    (folder / "b").symlink_to(folder / "a")
    (folder / "a").read_text()


def _python(text: str) -> None:
    subprocess.run([sys.executable, "-I", "-S", "-c", text], check=True, capture_output=True)


def _not_a_program(folder: Path) -> None:
    (folder / "plain").write_text("x")
    subprocess.run([folder / "plain"], check=True)


def _not_python(folder: Path) -> None:
    compile("def (", str(folder / "a.py"), "exec")


async def _stream_ends() -> None:
    reader = asyncio.StreamReader()
    reader.feed_data(b"ab")
    reader.feed_eof()
    await reader.readexactly(4)


async def _awaits_too_long() -> None:
    async with asyncio.timeout(0.001):
        await asyncio.Event().wait()


async def _open_refused() -> None:
    await asyncio.open_connection("127.0.0.1", 1)


async def _group() -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(_open_refused())


async def _group_with_a_bug() -> None:
    raise ExceptionGroup("x", [TimeoutError(), KeyError("a")])


def _line_of_csv() -> None:
    list(csv.reader(io.StringIO('"abc\n"x'), strict=True))


def _one_argument(a: int) -> None: ...


def _bad_gzip() -> None:
    gzip.decompress(b"abcdefghijklmnop")


def cases(folder: Path) -> Iterator[Case]:
    """Yield them; `folder` is empty."""

    def case(name: str, kind: Any, sort: str, call: Any, *args: Any, **more: Any) -> Case:
        return Case(name, kind, sort, lambda: call(*args, **more))

    # files
    yield case("open-missing", P, OTHER, open, folder / "none")
    yield case("open-folder", P, OTHER, open, folder)
    yield case("list-file", P, OTHER, os.listdir, __file__)
    yield case("mkdir-exists", P, OTHER, folder.mkdir)
    yield case("rmdir-filled", P, OTHER, os.rmdir, Path(__file__).parent)
    yield case("name-too-long", P, OTHER, open, folder / ("x" * 300))
    yield case("link-loop", P, OTHER, _loop_of_links, folder)
    yield case("bad-descriptor", P, OTHER, os.fsync, 9999)
    yield case("null-in-path", P, VALID, open, "a\0b")
    yield case("disk-full", T, OTHER, _full)
    yield case("no-rights", P, AUTH, _errno, "EACCES")
    yield case("not-permitted", P, AUTH, _errno, "EPERM")
    yield case("read-only", P, OTHER, _errno, "EROFS")
    yield case("quota", T, OTHER, _errno, "EDQUOT")
    yield case("too-many-files", T, OTHER, _errno, "EMFILE")
    yield case("stale-handle", T, OTHER, _errno, "ESTALE")
    yield case("input-output", U, OTHER, _errno, "EIO")
    yield case("same-file", P, OTHER, shutil.copyfile, __file__, __file__)
    # sockets
    yield case("refused", T, OTHER, _refused)
    yield case("reset", T, OTHER, _reset)
    yield case("no-reader", T, OTHER, _pipe_without_reader)
    yield case("would-block", T, OTHER, _nothing_to_read)
    yield case("port-in-use", T, OTHER, _port_in_use)
    yield case("socket-timeout", T, OTHER, _no_answer)
    yield case("no-such-host", T, OTHER, socket.getaddrinfo, "nosuch.invalid", 80)
    yield case("unreachable", T, OTHER, _errno, "EHOSTUNREACH")
    yield case("port-out-of-range", P, VALID, _port_out_of_range)
    # asyncio
    yield case("asyncio-timeout", T, OTHER, lambda: asyncio.run(_awaits_too_long()))
    yield case("asyncio-stream", T, OTHER, lambda: asyncio.run(_stream_ends()))
    yield case("asyncio-refused", T, OTHER, lambda: asyncio.run(_open_refused()))
    yield case("asyncio-group", T, OTHER, lambda: asyncio.run(_group()))
    yield case("asyncio-group-bug", P, VALID, lambda: asyncio.run(_group_with_a_bug()))
    # processes
    yield case("exit-1", U, OTHER, _python, "raise SystemExit(1)")
    yield case("exit-64-usage", P, VALID, _python, "raise SystemExit(64)")
    yield case("exit-65-data", P, VALID, _python, "raise SystemExit(65)")
    yield case("exit-75-again", T, OTHER, _python, "raise SystemExit(75)")
    yield case("exit-77-rights", P, AUTH, _python, "raise SystemExit(77)")
    yield case(
        "exit-127", P, OTHER, subprocess.run, ["/bin/sh", "-c", "no-such-command-here"], check=True, capture_output=True
    )
    yield case("killed", U, OTHER, _python, "import os; os.kill(os.getpid(), 9)")
    yield case("process-timeout", T, OTHER, subprocess.run, ["sleep", "9"], timeout=0.01)
    yield case("no-such-program", P, OTHER, subprocess.run, ["/no/such/program"])
    yield case("not-a-program", P, OTHER, _not_a_program, folder)
    # formats
    yield case("json", P, VALID, json.loads, "{")
    yield case("json-empty", P, VALID, json.loads, "")
    yield case("json-type", P, VALID, json.dumps, {1, 2})
    yield case("toml", P, VALID, tomllib.loads, "a =")
    yield case("xml", P, VALID, ElementTree.fromstring, "<a>")
    yield case("csv", P, VALID, _line_of_csv)
    yield case("ini", P, VALID, configparser.ConfigParser().read_string, "a = 1")
    yield case("ini-section", P, VALID, configparser.ConfigParser().get, "a", "b")
    yield case("struct", P, VALID, struct.unpack, "<I", b"a")
    yield case("base64", P, VALID, binascii.a2b_base64, b"a", strict_mode=True)
    yield case("utf-8", P, VALID, b"\xff".decode)
    yield case("ascii", P, VALID, "é".encode, "ascii")
    yield case("codec", P, VALID, b"a".decode, "no-such-codec")
    yield case("zip", P, VALID, zipfile.ZipFile, io.BytesIO(b"x"))
    yield case("tar", P, VALID, tarfile.open, fileobj=io.BytesIO(b"x" * 600))
    yield case("gzip", P, VALID, _bad_gzip)
    yield case("zlib", P, VALID, zlib.decompress, b"x")
    yield case("lzma", P, VALID, lzma.decompress, b"xxxxxxxxxxxxxxxx")
    yield case("pickle", P, VALID, pickle.loads, b"x")
    yield case("regex", P, VALID, re.compile, "(")
    yield case("int", P, VALID, int, "a")
    yield case("decimal", P, VALID, decimal.Decimal, "a")
    yield case("date", P, VALID, datetime.date.fromisoformat, "a")
    yield case("month", P, VALID, datetime.date, 2026, 13, 1)
    yield case("zone", P, VALID, ZoneInfo, "No/Where")
    yield case("ip", P, VALID, ipaddress.ip_address, "1.2.3")
    yield case("uuid", P, VALID, uuid.UUID, "a")
    # mistakes in code
    yield case("key", P, VALID, {}.__getitem__, "a")
    yield case("index", P, VALID, [].__getitem__, 1)
    yield case("type", P, VALID, _one_argument)
    yield case("attribute", P, VALID, getattr, None, "a")
    yield case("import", P, VALID, __import__, "no_such_module_here")
    yield case("division", P, VALID, lambda: 1 // 0)
    yield case("assertion", P, VALID, lambda: (_ for _ in ()).throw(AssertionError("x")))
    yield case("syntax", P, VALID, _not_python, folder)
    yield case("not-implemented", P, OTHER, lambda: (_ for _ in ()).throw(NotImplementedError()))
    yield case("copy", P, VALID, copy.copy, _NotCopied())
    yield case("end-of-file", U, OTHER, lambda: (_ for _ in ()).throw(EOFError()))
    yield case("recursion", P, OTHER, _forever)
    yield case("overflow", P, VALID, lambda: 2.0**9999)
    yield case("memory", U, OTHER, lambda: (_ for _ in ()).throw(MemoryError()))
    yield case("runtime", U, OTHER, lambda: (_ for _ in ()).throw(RuntimeError("x")))
    # http.client
    yield case("http-unasked", P, OTHER, http.client.HTTPConnection("127.0.0.1", 1).getresponse)
    yield case("http-url", P, VALID, http.client.HTTPConnection("127.0.0.1", 1).request, "GET", "/a b")
    # SQLite
    yield from _sqlite(folder)


class _NotCopied:
    def __reduce_ex__(self, protocol: Any) -> Any:
        raise copy.Error("un(deep)copyable object")


def _forever() -> None:
    _forever()


def _sqlite(folder: Path) -> Iterator[Case]:
    def run(text: str, path: str = ":memory:", *, uri: bool = False) -> None:
        connection = sqlite3.connect(path, timeout=0, uri=uri)
        try:
            if path == ":memory:":
                connection.execute("create table t (a integer primary key not null, b integer check (b < 9)) strict")
            connection.executescript(text)
        finally:
            connection.close()

    def locked() -> None:
        path = str(folder / "locked.db")
        holder = sqlite3.connect(path, isolation_level=None)
        try:
            holder.execute("begin exclusive")
            run("create table x (a)", path)
        finally:
            holder.close()

    def read_only() -> None:
        path = folder / "ro.db"
        sqlite3.connect(path).close()
        run("create table x (a)", f"file:{path}?mode=ro", uri=True)

    def full() -> None:
        run("pragma max_page_count = 4; create table u (a); insert into u values (zeroblob(100000))")

    def no_database() -> None:
        (folder / "text.db").write_text("this is no database at all, but text " * 9)
        run("select * from t", str(folder / "text.db"))

    def bind() -> None:
        sqlite3.connect(":memory:").execute("select ?", ({},))

    yield Case("sqlite-locked", T, OTHER, locked)
    yield Case("sqlite-read-only", P, OTHER, read_only)
    yield Case("sqlite-full", T, OTHER, full)
    yield Case("sqlite-no-database", P, OTHER, no_database)
    yield Case("sqlite-no-folder", P, OTHER, lambda: run("select 1", "/no/such/folder/a.db"))
    yield Case("sqlite-unique", P, VALID, lambda: run("insert into t values (1, 1), (1, 2)"))
    yield Case("sqlite-check", P, VALID, lambda: run("insert into t values (1, 10)"))
    yield Case("sqlite-type", P, VALID, lambda: run("insert into t values ('a', 1)"))
    yield Case("sqlite-syntax", P, VALID, lambda: run("selec 1"))
    yield Case("sqlite-no-table", P, VALID, lambda: run("select * from nope"))
    yield Case("sqlite-bind", P, VALID, bind)
