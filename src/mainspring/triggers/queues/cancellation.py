"""Cancelling around the libraries of brokers."""

import asyncio


def reraise_cancellation() -> None:
    """Raise CancelledError where this task is being cancelled: a library may have turned it into an error of its own."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
