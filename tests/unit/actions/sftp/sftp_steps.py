"""Functions of a user that use SFTP: the contract runs each as a step, in processes of its own."""

import os
from typing import Any

import asyncssh

from mainspring.actions import sftp

WARM = asyncssh
"""Imported here, because each case of the contract is forked from a process that has imported this file."""
SERVER, HOST_KEY = "EXAMPLE_SFTP", "EXAMPLE_SFTP_KEY"


def options() -> Any:
    return {"password": "secret:FILES", "host_key": os.environ[HOST_KEY]}


def put_report(number: int, path: str) -> sftp.SftpFile:
    """A file at the server."""
    return sftp.put(path, f"{os.environ[SERVER]}in/{number}.csv", make_folders=True, **options())


async def get_orders_async(number: int, folder: str) -> sftp.SftpFile:
    """A file here, async."""
    return await sftp.get_async(f"{os.environ[SERVER]}orders.csv", f"{folder}/{number}.csv", **options())
