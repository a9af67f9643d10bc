"""Telling a network file system from a local one by the kernel's list of mounts."""

import os
import subprocess
from pathlib import Path

import pytest

from mainspring.domain.errors import UnsafeSqliteError
from mainspring.store.sqlite.filesystem import file_system_of, free_bytes, refuse_network, write_fault

MOUNTS = r"""
21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 21 0:50 / /mnt/nas rw shared:9 - nfs4 nas:/vol rw
31 30 8:2 / /mnt/nas/local rw - xfs /dev/sdb1 rw
32 21 0:51 / /home/me/my\040remote rw - fuse.sshfs host:/ rw
33 21 0:52 / /win rw - cifs //server/share rw
34 21 0:53 / /over rw - tmpfs tmpfs rw
35 34 0:54 / /over rw - nfs nas:/other rw
a line that is cut off
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/lib/x.db", "ext4"),
        ("/mnt/nas/x.db", "nfs4"),
        ("/mnt/nasty/x.db", "ext4"),
        ("/mnt/nas/local/x.db", "xfs"),
        ("/home/me/my remote/x.db", "fuse.sshfs"),
        ("/win/x.db", "cifs"),
        ("/over/x.db", "nfs"),
    ],
)
def test_the_innermost_and_last_mount_is_in_force(path, kind):
    """Longer mount points win, names are compared by folder, blanks are unescaped, later mounts cover earlier ones."""
    assert file_system_of(Path(path), MOUNTS)[0] == kind


def test_network_file_systems_are_refused_with_where_and_how():
    """SQLite's locks do not work there: the message names type, mount point and the way out."""
    with pytest.raises(UnsafeSqliteError, match=r"nfs4(.|\n)*/mnt/nas(.|\n)*local disk"):
        refuse_network(Path("/mnt/nas/x.db"), MOUNTS)
    refuse_network(Path("/mnt/nas/local/x.db"), MOUNTS)
    refuse_network(Path("/anywhere"), "")


def test_the_kernels_own_list_is_read(tmp_path):
    """Without a given list this machine's is used, and its temporary folder is local."""
    refuse_network(tmp_path / "x.db")
    assert free_bytes(tmp_path) > 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_write_fault_is_the_one_of_the_kernel(tmp_path: Path) -> None:
    """A folder that takes files has no fault and stays empty; a read-only file system is reported in the kernel's words."""
    assert write_fault(tmp_path) == ""
    assert list(tmp_path.iterdir()) == []
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", tmp_path], check=True)
    try:
        assert write_fault(tmp_path) == "Read-only file system"
    finally:
        subprocess.run(["umount", tmp_path], check=True)
