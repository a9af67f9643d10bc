"""The filesystem of the store's file: network file systems are refused, because their locks and shared memory do not
work as SQLite needs.
"""

import errno
import os
from pathlib import Path
from typing import Final

from mainspring.domain.errors import UnsafeSqliteError
from mainspring.domain.text.lazy_pattern import lazy_pattern

_NETWORK: Final = frozenset(
    {
        *(
            "nfs",
            "nfs4",
            "cifs",
            "smb2",
            "smb3",
            "smbfs",
            "ncpfs",
            "afs",
            "9p",
            "ceph",
            "lustre",
            "glusterfs",
            "beegfs",
        ),
        *("fuse.sshfs", "fuse.s3fs", "fuse.rclone", "fuse.glusterfs", "fuse.ceph", "fuse.davfs2", "fuse.gcsfuse"),
        *("fuse.juicefs", "fuse.smbnetfs", "fuse.curlftpfs", "davfs"),
    }
)
_OCTAL = lazy_pattern(r"\\([0-7]{3})")
_MOUNTS = Path("/proc/self/mountinfo")
_BROKEN_DISK: Final = frozenset({errno.EROFS, errno.EIO})


def file_system_of(path: Path, mountinfo: str) -> tuple[str, str]:
    """Return (type, mount point) of the file system that holds the absolute `path`, from the text of a mountinfo file.

    Of several mounts on one point the last one counts. ("", "") if the text has no match.
    """
    found, best_length, inside = ("", ""), -1, f"{path}/"  # strings: called for each mount whenever a store is opened
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        fields = left.split(maxsplit=5)
        if len(fields) < 5 or not right:
            continue
        point = _OCTAL.sub(lambda match: chr(int(match[1], 8)), fields[4]) if "\\" in fields[4] else fields[4]
        if len(point) >= best_length and inside.startswith(point if point.endswith("/") else f"{point}/"):
            found, best_length = (right.split(maxsplit=1)[0], point), len(point)
    return found


def refuse_network(path: Path, mountinfo: str | None = None) -> None:
    """Check that the file is not on a network file system. `mountinfo` None = read the kernel's; without one nothing is
    refused.

    Raises:
        UnsafeSqliteError: the file lies, or would lie, on a network file system.
    """
    if mountinfo is None:
        if not _MOUNTS.exists():
            return
        mountinfo = _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
    kind, point = file_system_of(Path(os.path.realpath(path)), mountinfo)
    if kind in _NETWORK:
        raise UnsafeSqliteError(
            f"the store would be on a network file system ({kind})\nat {path} (mounted at {point})",
            hint="Put it on a local disk; for several machines use PostgreSQL.",
        )


def write_fault(folder: Path) -> str:
    """Return why no file can be written in the existing `folder`, as the kernel reports it; "" if one can, or if only
    this user may not.

    A file is really created: after a device error a file system can be read-only while its mount still claims
    otherwise.
    """
    probe = folder / f".mainspring-probe-{os.getpid()}"
    try:
        os.close(os.open(probe, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o600))
        probe.unlink()
    except OSError as error:
        return (error.strerror or "") if error.errno in _BROKEN_DISK else ""
    return ""


def free_bytes(path: Path) -> int:
    """Return the free space for this user on the file system of the existing `path`."""
    state = os.statvfs(path)
    return state.f_bavail * state.f_frsize


def has_free_inode(path: Path) -> bool:
    """Return whether a file can be created on the file system of the existing `path`; some have no fixed number of inodes."""
    state = os.statvfs(path)
    return state.f_files == 0 or state.f_favail > 0
