"""SFTP actions: files are complete or absent, the key of the server is checked, and each error has its fix."""

import asyncio
import errno
import hashlib
import os

import asyncssh
import pytest

import mainspring as ms
from mainspring.actions import sftp
from mainspring.actions.files import FileActionError, FileUnavailableError
from mainspring.actions.files.temporary import is_temporary
from mainspring.actions.sftp.transfers import _Get, _Put, temporary_path
from mainspring.domain.errors import ArgumentError, ConfigError, DefinitionError, OptionError, UnknownOptionError
from mainspring.testing import ActionContract
from tests.unit.actions.kills import TIMEOUT_S, check_contract
from tests.unit.actions.sftp import sftp_steps
from tests.unit.actions.sftp.sftp_server import PASSWORD

CONTENT = os.urandom(300_000)


@pytest.fixture
def report(tmp_path):
    path = tmp_path / "report.csv"
    path.write_bytes(CONTENT)
    return path


def names(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.slow
@pytest.mark.timeout(TIMEOUT_S)
def test_put_keeps_the_contract(server, report, tmp_path):
    """The server has the whole file, and no temporary one beside it."""
    folder = tmp_path / "store"
    folder.mkdir()

    def count(number):
        path = server.folder / "in" / f"{number}.csv"
        assert not path.exists() or path.read_bytes() == CONTENT
        return int(path.exists())

    def count_forgotten():
        digest = hashlib.sha256(CONTENT).hexdigest()
        return sum((server.folder / temporary_path(name, digest)).exists() for name in server.renamed)

    contract = ActionContract(
        sftp_steps.put_report,
        args=lambda number: [number, str(report)],
        effects=count,
        secrets=[PASSWORD],
        environment={"MAINSPRING_SECRET_FILES": PASSWORD},
        failpoints=["sftp.written", "sftp.published"],
        lines_of=_Put.run,
        temporary=count_forgotten,
    )
    check_contract(contract, folder)


@pytest.mark.slow
@pytest.mark.timeout(TIMEOUT_S)
def test_get_keeps_the_contract(server, tmp_path):
    """The file here is complete, or not there."""
    (server.folder / "orders.csv").write_bytes(CONTENT)
    folder, data = tmp_path / "store", tmp_path / "data"
    folder.mkdir()
    data.mkdir()

    def count(number):
        path = data / f"{number}.csv"
        assert not path.exists() or path.read_bytes() == CONTENT
        return int(path.exists())

    contract = ActionContract(
        sftp_steps.get_orders_async,
        args=lambda number: [number, str(data)],
        effects=count,
        secrets=[PASSWORD],
        environment={"MAINSPRING_SECRET_FILES": PASSWORD},
        failpoints=["files.written", "files.published"],
        lines_of=_Get.run,
    )
    check_contract(contract, folder)


def test_put_replaces_a_file_as_a_whole(server, options, report):
    """After a lost connection the old file is there; the next call uses the same temporary name."""
    target = server.folder / "in" / "a b.csv"
    with pytest.raises(sftp.SftpActionError, match=r"SFTPNoSuchFile\)\nCheck the path"):
        sftp.put(report, server.address("in/a%20b.csv"), **options)
    target.parent.mkdir()
    target.write_text("old")

    def lose(operation):
        if operation == "write":
            raise asyncssh.SFTPConnectionLost("lost")

    server.fault = lose
    with pytest.raises(sftp.SftpUnavailableError, match=r"put to sftp://ann@127\.0\.0\.1"):
        sftp.put(report, server.address("in/a%20b.csv"), **options)
    assert target.read_text() == "old"
    left = [name for name in names(server.folder) if is_temporary(name.rpartition("/")[2])]
    assert len(left) == 1
    server.fault = lambda _operation: None
    (server.folder / left[0]).write_bytes(b"x" * 10)
    put = sftp.put(report, server.address("in/a%20b.csv"), **options)
    assert (put.size, target.read_bytes(), names(server.folder)) == (len(CONTENT), CONTENT, ["in/a b.csv"])
    assert sftp.put(report, server.address("new/deep/c.csv"), make_folders=True, **options).is_new


def test_calls_at_once_write_one_file(server, options, report):
    """One of them renames it, the other finds it."""

    async def put():
        calls = [sftp.put_async(report, server.address("a.csv"), **options) for _ in range(4)]
        return await asyncio.gather(*calls)

    asyncio.run(put())
    assert ((server.folder / "a.csv").read_bytes(), names(server.folder)) == (CONTENT, ["a.csv"])


def test_temporary_file_that_vanishes_is_written_again(server, options, report):
    """A file of the same size at the target is no proof that it has the content."""
    target = server.folder / "a.csv"
    target.write_bytes(b"x" * len(CONTENT))

    def remove_once(operation):
        if operation == "rename":
            server.fault = lambda _operation: None
            for name in names(server.folder):
                if is_temporary(name):
                    (server.folder / name).unlink()

    server.fault = remove_once
    sftp.put(report, server.address("a.csv"), **options)
    assert (target.read_bytes(), names(server.folder)) == (CONTENT, ["a.csv"])


def test_put_that_ends_for_good_leaves_no_temporary_file(server, options, report):
    """Cancelled, and refused; the server is not ours to tidy later."""

    async def cancel():
        loop, task = asyncio.get_running_loop(), asyncio.current_task()

        def cancel_first(operation):
            if operation == "write":
                server.fault = lambda _operation: None
                loop.call_soon_threadsafe(task.cancel)

        server.fault = cancel_first
        await sftp.put_async(report, server.address("a.csv"), **options)

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancel())
    assert names(server.folder) == []

    def refuse(operation):
        if operation == "rename":
            raise asyncssh.SFTPPermissionDenied("not here")

    server.fault = refuse
    with pytest.raises(sftp.SftpActionError, match="SFTPPermissionDenied"):
        sftp.put(report, server.address("a.csv"), **options)
    assert names(server.folder) == []


def test_server_that_cannot_replace_gets_new_names_only(server, options, report):
    """The old file stays."""
    server.can_replace = False
    sftp.put(report, server.address("a.csv"), **options)
    (server.folder / "a.csv").write_text("old")
    with pytest.raises(sftp.SftpActionError, match=r"cannot rename over a file\nPut it under a new name"):
        sftp.put(report, server.address("a.csv"), **options)
    assert (server.folder / "a.csv").read_text() == "old"


def test_get_is_complete_or_absent(server, options, tmp_path):
    """Another checksum leaves what was there; the same content is not written again."""
    (server.folder / "a.csv").write_bytes(CONTENT)
    path = tmp_path / "here" / "a.csv"
    with pytest.raises(FileActionError, match="No such file"):
        sftp.get(server.address("a.csv"), path, **options)
    file = sftp.get(server.address("a.csv"), path, make_folders=True, **options)
    assert (file.is_new, file.size, path.read_bytes()) == (True, len(CONTENT), CONTENT)
    assert not sftp.get(server.address("a.csv"), "here/a.csv", root=tmp_path, sha256=file.sha256, **options).is_new
    (server.folder / "a.csv").write_text("other")
    with pytest.raises(sftp.SftpActionError, match="has the checksum"):
        sftp.get(server.address("a.csv"), path, sha256="0" * 64, **options)
    with pytest.raises(sftp.SftpActionError, match="SFTPNoSuchFile"):
        sftp.get(server.address("none.csv"), path, **options)
    assert (path.read_bytes(), names(path.parent)) == (CONTENT, ["a.csv"])


def test_pipe_is_not_replaced_by_a_file_that_is_got(server, options, tmp_path):
    """The error names the path."""
    os.mkfifo(tmp_path / "pipe")
    (server.folder / "a.csv").write_bytes(CONTENT)
    with pytest.raises(FileActionError, match="pipe is not a regular file"):
        sftp.get(server.address("a.csv"), tmp_path / "pipe", **options)
    assert (tmp_path / "pipe").is_fifo()


def test_silent_server_and_full_disk_are_different_errors(server, options, tmp_path, monkeypatch):
    """Both pass; the errors name the place, and nothing is left."""
    (server.folder / "a.csv").write_bytes(CONTENT)
    server.is_stalled = True
    with pytest.raises(sftp.SftpUnavailableError, match=r"cannot get sftp://.*: no answer in time"):
        sftp.get(server.address("a.csv"), tmp_path / "a.csv", timeout="300ms", **options)
    server.is_stalled = False

    def fill(_descriptor, _data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", fill)
        with pytest.raises(FileUnavailableError, match="No space left on device"):
            sftp.get(server.address("a.csv"), tmp_path / "a.csv", **options)
    assert names(tmp_path) == ["server/a.csv"]


def test_unknown_and_changed_keys_are_refused(server, options, report, tmp_path):
    """The error has the fingerprint; nothing was sent, not even the password."""
    fingerprint = server.host_key.get_fingerprint()
    login = {"password": "secret:FILES"}
    with pytest.raises(sftp.SftpHostKeyError, match="is not known: ") as unknown:
        sftp.put(report, server.address("a.csv"), **login)
    assert fingerprint in str(unknown.value)
    other = asyncssh.generate_private_key("ssh-ed25519")
    known = tmp_path / "known_hosts"
    known.write_text(f"[127.0.0.1]:{server.port} {other.export_public_key().decode()}")
    with pytest.raises(sftp.SftpHostKeyError, match="has another key than before") as changed:
        sftp.put(report, server.address("a.csv"), known_hosts=str(known), **login)
    assert fingerprint in str(changed.value)
    assert other.get_fingerprint() in str(changed.value)
    known.write_text(f"[127.0.0.1]:{server.port} {server.known_key}\n")
    assert sftp.put(report, server.address("a.csv"), known_hosts=str(known), **login).is_new
    (tmp_path / "home" / ".ssh").mkdir(parents=True)
    known.rename(tmp_path / "home" / ".ssh" / "known_hosts")
    assert sftp.put(report, server.address("a.csv"), **login).is_new


def test_key_signs_in(server, report, monkeypatch):
    """With its passphrase; the text of the key is in no error."""
    text = server.user_key.export_private_key(passphrase="of the key", rounds=1, ignore_few_rounds=True).decode()
    monkeypatch.setenv("MAINSPRING_SECRET_KEY", text)
    monkeypatch.setenv("MAINSPRING_SECRET_PHRASE", "of the key")
    login = {"key": "secret:KEY", "passphrase": "secret:PHRASE", "host_key": server.known_key}
    assert sftp.put(report, server.address("a.csv"), **login).is_new
    monkeypatch.setenv("MAINSPRING_SECRET_PHRASE", "another")
    with pytest.raises(sftp.SftpActionError, match="Check passphrase="):
        sftp.put(report, server.address("a.csv"), **login)
    monkeypatch.setenv("MAINSPRING_SECRET_KEY", "no key at all")
    with pytest.raises(sftp.SftpActionError, match="text of a private key") as caught:
        sftp.put(report, server.address("a.csv"), **login)
    assert "no key at all" not in str(caught.value)


def test_wrong_password_is_permanent_and_an_outage_is_not(server, options, report, monkeypatch):
    """A server that is away may come back."""
    monkeypatch.setenv("MAINSPRING_SECRET_FILES", f"{PASSWORD}x")
    with pytest.raises(sftp.SftpActionError, match=r"PermissionDenied\)\nCheck user") as refused:
        sftp.put(report, server.address("a.csv"), **options)
    assert PASSWORD not in str(refused.value)
    server.stop()
    with pytest.raises(sftp.SftpUnavailableError, match="cannot get sftp://ann@127"):
        sftp.get(server.address("a.csv"), "a.csv", **options)
    server.start()
    assert isinstance(refused.value, ms.Permanent)


def test_arguments_are_checked_before_anything_is_sent(options, report):
    """Each error names the argument, and has no password."""
    for address in (
        "http://a/b",
        "sftp://",
        "sftp://h",
        "sftp://h/",
        "sftp://h/a/",
        "sftp://h/a/..",
        "sftp://h/a?b",
        7,
    ):
        with pytest.raises(ArgumentError, match="is not the address of a file"):
            sftp.put(report, address, **options)
    with pytest.raises(ArgumentError, match="has a password") as caught:
        sftp.put(report, "sftp://ann:canary7@h/a", **options)
    assert "canary7" not in str(caught.value)
    for change, message in (
        ({"password": "canary7"}, "does not name a secret"),
        ({"host_key": "ssh-ed25519"}, "is not a key of a server"),
        ({"host_key": "ssh-ed25519 AAAA"}, "is not a key of a server"),
    ):
        with pytest.raises(OptionError, match=message) as caught:
            sftp.put(report, "sftp://ann@h/a", **options | change)
        assert "canary7" not in str(caught.value)
    with pytest.raises(UnknownOptionError, match="Did you mean 'sha256'"):
        sftp.get("sftp://ann@h/a", "a.csv", sha265="0" * 64)
    with pytest.raises(UnknownOptionError, match="pasword"):
        sftp.put(report, "sftp://ann@h/a", pasword="secret:A")
    with pytest.raises(ConfigError, match="NONE"):
        sftp.put(report, "sftp://ann@h/a", password="secret:NONE")

    async def call():
        with pytest.raises(DefinitionError, match=r"await sftp\.put_async"):
            sftp.put(report, "sftp://ann@h/a", host_key=options["host_key"])

    asyncio.run(call())
