"""Celery's first steps: `add.delay(2, 3).get()`. Here the result is typed, stored, and stays after a restart.

Try it:

    mainspring run add -m examples/ports/celery/add.py x=2 y=3
"""

import mainspring as ms


@ms.task
def add(x: int, y: int) -> int:
    """Return the sum. `app.start(add, 2, 3)` is `add.delay(2, 3)`, `handle.result()` is `get()`."""
    return x + y
