"""Disks of their own for tests of what disks do wrong: ext4 in a file, mounted through a loop device. Only for root."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_PATH = f"{os.environ['PATH']}:/sbin:/usr/sbin"
_BYTES = 160 * 1024 * 1024

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")


class Disk:
    """An ext4 file system at `folder`; it turns read-only after an error, as servers usually have it."""

    def __init__(self, image: Path, folder: Path) -> None:
        self.image = image
        self.folder = folder

    def mount(self) -> None:
        """Mount it. A test is skipped where this machine has no loop devices."""
        words = ["mount", "-o", "loop,errors=remount-ro", str(self.image), str(self.folder)]
        if subprocess.run(words, check=False).returncode != 0:
            pytest.skip("a file cannot be mounted as a disk here (no loop devices)")

    def unmount(self) -> None:
        """Take it away, as soon as no process uses it any more."""
        subprocess.run(["umount", "-l", self.folder], check=True)

    def report_error(self) -> None:
        """Let the file system meet an error of its device."""
        found = subprocess.run(["findmnt", "-no", "SOURCE", self.folder], check=True, capture_output=True, text=True)
        Path(f"/sys/fs/ext4/{Path(found.stdout.strip()).name}/trigger_fs_error").write_text("1")

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Let each write wait in the kernel, as on a network folder whose server does not answer."""
        freeze = shutil.which("fsfreeze", path=_PATH)
        assert freeze is not None, "fsfreeze is part of util-linux"
        subprocess.run([freeze, "-f", self.folder], check=True)
        try:
            yield
        finally:
            subprocess.run([freeze, "-u", self.folder], check=True)


@contextmanager
def disk_at(folder: Path, image: Path) -> Iterator[Disk]:
    """A disk mounted at the new `folder`, kept in the file `image`, unmounted at the end."""
    folder.mkdir()
    with image.open("wb") as file:
        file.truncate(_BYTES)
    mkfs = shutil.which("mkfs.ext4", path=_PATH)
    if mkfs is None or subprocess.run([mkfs, "-q", image], check=False).returncode != 0:
        pytest.skip("there is no mkfs.ext4 (Debian: e2fsprogs)")
    disk = Disk(image, folder)
    disk.mount()
    try:
        yield disk
    finally:
        disk.unmount()
