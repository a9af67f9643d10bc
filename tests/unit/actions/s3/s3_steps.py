"""Functions of a user that call S3: the contract runs each as a step, in processes of its own."""

import os
from typing import Any

from mainspring.actions import s3
from mainspring.actions.s3.s3_client import make_client

make_client("warm", {"region": "us-east-1"})
"""Made here, because each case of the contract is forked from a process that has imported this file."""
ENDPOINT = "EXAMPLE_S3"
PART_BYTES = 5 * 1024 * 1024
BIG = b"0123456789abcdef" * (PART_BYTES // 16) + b"the second part"


def options() -> Any:
    return {"endpoint": os.environ[ENDPOINT], "region": "us-east-1", "credentials": "secret:S3"}


def put_report(number: int) -> s3.S3Object:
    """A new object."""
    return s3.put(f"s3://example/report-{number}", f"report {number}", if_absent=True, **options())


def upload_backup(number: int, path: str) -> s3.S3Object:
    """A file in two parts."""
    return s3.upload(path, f"s3://example/backup-{number}", if_absent=True, part_size=PART_BYTES, **options())


def download_backup(number: int, folder: str) -> s3.S3Download:
    """An object that becomes a file."""
    return s3.download("s3://example/source", f"{folder}/{number}.bin", **options())


def sync_folder(number: int, folder: str) -> s3.S3Sync:
    """Two files."""
    return s3.sync(folder, f"s3://example/site-{number}", delete=True, **options())
