"""A plain program that publishes a message and is killed at a place: `python -m tests.unit.actions.queue_program QUEUE PLACE`."""

import sys

from mainspring.actions import queue
from mainspring.store import failpoints


def publish_place(name: str, place: str) -> queue.PublishedMessage:
    """Publish the message of a place."""
    return queue.publish(name, {"place": place}, once=f"place:{place}")


if __name__ == "__main__":
    failpoints.install(failpoints.parse(f"{sys.argv[2]}:kill"))
    publish_place(*sys.argv[1:])
