"""Functions of a user that publish: the contract runs them as steps, in processes of their own."""

import mainspring as ms
from mainspring.actions import queue


def publish_order(number: int, name: str) -> str:
    """A message with an id of its own; a negative number fails after it."""
    message = queue.publish(name, {"order": number}, key=f"order-{number}")
    assert not message.is_sent
    if number < 0:
        raise ms.Permanent("no such order")
    return message.id


async def publish_order_async(number: int, name: str) -> str:
    """The same, async and without an id of its own."""
    return (await queue.publish_async(name, {"order": number})).id
