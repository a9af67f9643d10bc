"""A local SSH server with SFTP, in a thread: a folder, one user with a password and a key, and faults on order."""

import asyncio
import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import asyncssh

USER, PASSWORD = "ann", "p@ss-9f3b61c7aa52d0e4"


class SftpServer:
    """The server. `renamed` = what got its name, `fault(operation)` raises an error for one of them; `is_stalled` = reads wait."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.user_key = asyncssh.generate_private_key("ssh-ed25519")
        self.host_key = asyncssh.generate_private_key("ssh-ed25519")
        self.renamed: list[str] = []
        self.fault: Callable[[str], None] = lambda _operation: None
        self.can_replace = True
        self.is_stalled = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._acceptor: Any = None
        self.port = 0
        self.start()

    def start(self) -> None:
        """Listen, after `stop` on the same port."""
        self._acceptor = self._run(self._listen())
        self.port = self._acceptor.get_port()

    def stop(self) -> None:
        """Close all connections, and listen no more."""
        self._run(self._stop())

    async def _stop(self) -> None:
        # In the thread of the loop: a connection that ends at the same moment closes the server, too.
        self._acceptor.close()
        await self._acceptor.wait_closed()

    def close(self) -> None:
        """End the server."""
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def address(self, path: str) -> str:
        """Return the address of a file."""
        return f"sftp://{USER}@127.0.0.1:{self.port}/{path}"

    @property
    def known_key(self) -> str:
        """The key of the server, as `host_key=` has it."""
        return self.host_key.export_public_key().decode().strip()

    async def _listen(self) -> Any:
        server = self

        class Login(asyncssh.SSHServer):
            def begin_auth(self, username: str) -> bool:
                return True

            def password_auth_supported(self) -> bool:
                return True

            def validate_password(self, username: str, password: str) -> bool:
                return (username, password) == (USER, PASSWORD)

            def public_key_auth_supported(self) -> bool:
                return True

            def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
                return username == USER and key == server.user_key.convert_to_public()

        class Files(asyncssh.SFTPServer):
            def __init__(self, channel: asyncssh.SSHServerChannel) -> None:
                super().__init__(channel, chroot=os.fsencode(server.folder))

            def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> Any:
                server.fault("open")
                return super().open(path, pflags, attrs)

            async def read(self, file_obj: Any, offset: int, size: int) -> Any:
                while server.is_stalled:
                    await asyncio.sleep(0.02)
                return super().read(file_obj, offset, size)

            def write(self, file_obj: Any, offset: int, data: bytes) -> Any:
                server.fault("write")
                return super().write(file_obj, offset, data)

            def posix_rename(self, oldpath: bytes, newpath: bytes) -> None:
                server.fault("rename")
                if not server.can_replace:
                    raise asyncssh.SFTPOpUnsupported("no rename")
                super().posix_rename(oldpath, newpath)
                server.renamed.append(os.fsdecode(newpath).lstrip("/"))

        return await asyncssh.listen(
            "127.0.0.1", self.port, server_factory=Login, server_host_keys=[self.host_key], sftp_factory=Files
        )

    def _run(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(60)


@contextlib.contextmanager
def serving_sftp(folder: Path) -> Iterator[SftpServer]:
    folder.mkdir(exist_ok=True)
    server = SftpServer(folder)
    try:
        yield server
    finally:
        server.close()
