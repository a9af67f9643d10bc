"""SFTP actions: put a file on a server and get one, complete or not at all. The key of the server is always checked.

Needs the extra `sftp`.
"""

from mainspring.actions.sftp.sftp_errors import SftpActionError, SftpHostKeyError, SftpUnavailableError
from mainspring.actions.sftp.transfers import SftpFile, get, get_async, put, put_async

__all__ = [
    "SftpActionError",
    "SftpFile",
    "SftpHostKeyError",
    "SftpUnavailableError",
    "get",
    "get_async",
    "put",
    "put_async",
]
