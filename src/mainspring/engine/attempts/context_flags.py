"""What the current code is inside of.

`IN_BODY` is true while the engine drives the body of a workflow. A decorated step looks at it so that a direct call
from a body, which no journal would see, is refused instead of becoming a silent hole.
Invariant: only the engine sets it, and resets it with the token it got, around each turn of a body.

`IMPORTING_FOR_RUN` is true while a process of the engine imports the module of a function that a run asks for. A declaration
error in that module then keeps out its own automation only, as it does while a worker loads its files.
"""

from contextvars import ContextVar

IN_BODY: ContextVar[bool] = ContextVar("mainspring_in_body", default=False)
IMPORTING_FOR_RUN: ContextVar[bool] = ContextVar("mainspring_loading_for_a_run", default=False)
