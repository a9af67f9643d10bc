"""Cancellation of code that uses brokers' libraries."""

import asyncio


def reraise_cancellation() -> None:
    """Raise CancelledError if this task is being cancelled: a library may have replaced it by its own error."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
