"""Git actions over SSH: a real client, a local server, a key that is known and one that is not."""

import asyncio
import contextlib
import queue
import shlex
import threading

import asyncssh
import pytest

from mainspring.actions import git


async def copy_stream(reader, writer):
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()


@contextlib.contextmanager
def serving_git(user_key):
    """Serve Git by SSH; yield the port and the key of the server."""
    host_key = asyncssh.generate_private_key("ssh-ed25519")
    ports: queue.Queue[int] = queue.Queue()

    class Login(asyncssh.SSHServer):
        def public_key_auth_supported(self):
            return True

        def validate_public_key(self, username, key):
            return key == user_key.convert_to_public()

    async def serve(process):
        words = shlex.split(process.command)
        assert words[0] in ("git-upload-pack", "git-receive-pack")
        pipe = asyncio.subprocess.PIPE
        command = await asyncio.create_subprocess_exec(*words, stdin=pipe, stdout=pipe, stderr=pipe)
        feeding = asyncio.create_task(copy_stream(process.stdin, command.stdin))
        await asyncio.gather(copy_stream(command.stdout, process.stdout), copy_stream(command.stderr, process.stderr))
        process.exit(await command.wait())
        feeding.cancel()
        await asyncio.gather(feeding, return_exceptions=True)

    async def run():
        loops.put((asyncio.get_running_loop(), stopped := asyncio.Event()))
        listening = asyncssh.listen(
            "127.0.0.1", 0, server_factory=Login, server_host_keys=[host_key], process_factory=serve, encoding=None
        )
        async with listening as acceptor:
            ports.put(acceptor.get_port())
            await stopped.wait()

    loops: queue.Queue = queue.Queue()
    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    loop, stopped = loops.get(timeout=60)
    try:
        yield ports.get(timeout=60), host_key.export_public_key().decode()
    finally:
        loop.call_soon_threadsafe(stopped.set)
        thread.join()


def test_key_of_the_host_is_checked(other, remote, tmp_path):
    """An unknown host gets nothing; a wrong key of the user is an error that does not wait for input."""
    keys = {name: asyncssh.generate_private_key("ssh-ed25519") for name in ("mine", "another")}
    for name, key in keys.items():
        path = tmp_path / f"{name} 100%h"
        path.touch(mode=0o600)
        key.write_private_key(str(path))
    known = tmp_path / "known hosts 50%"
    known.touch()
    with serving_git(keys["mine"]) as (port, host_key):
        url, folder = f"ssh://ann@127.0.0.1:{port}{remote}", tmp_path / "checkout"
        options = {"key_file": str(tmp_path / "mine 100%h"), "known_hosts": str(known)}
        with pytest.raises(git.GitActionError, match=r"Host key verification failed.*\nCompare the key"):
            git.checkout(url, folder, **options)
        known.write_text(f"[127.0.0.1]:{port} {host_key}")
        with pytest.raises(git.GitActionError, match="Check key_file="):
            git.checkout(url, folder, **options | {"key_file": str(tmp_path / "another 100%h")})
        assert git.checkout(url, folder, **options).is_new
        (folder / "mine.txt").write_text("mine")
        assert git.push(folder, "Mine", **options).is_new
    assert other.subjects() == ["Mine", "other a.txt"]
