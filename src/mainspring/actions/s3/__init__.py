"""S3 actions: put, upload, download and sync objects, so that a second call changes nothing.

The server is Amazon S3, or another one with its protocol. S3 replaces an object as a whole, so that no program ever reads a part of one.
Before anything is sent, the checksum that S3 has is compared. Needs the extra `aws`.
"""

from mainspring.actions.s3.downloads import S3Download, download, download_async
from mainspring.actions.s3.objects import S3Object, put, put_async
from mainspring.actions.s3.prefix_sync import S3Sync, sync, sync_async
from mainspring.actions.s3.s3_errors import S3ActionError, S3ExistsError, S3UnavailableError
from mainspring.actions.s3.uploads import upload, upload_async

__all__ = [
    "S3ActionError",
    "S3Download",
    "S3ExistsError",
    "S3Object",
    "S3Sync",
    "S3UnavailableError",
    "download",
    "download_async",
    "put",
    "put_async",
    "sync",
    "sync_async",
    "upload",
    "upload_async",
]
