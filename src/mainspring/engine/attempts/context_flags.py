"""Context flags: what kind of code is running.

`IN_BODY` is true while the engine drives the body of a workflow. A decorated step checks it, so that a direct call
from a body is rejected: no journal would record it.
Invariant: only the engine sets it, and resets it with its token, around each turn of a body.

`IMPORTING_FOR_RUN` is true while a process of the engine imports the module of a function that a run needs. A declaration
error in that module then disables only its own automation, as it does while a worker loads its files.
"""

from contextvars import ContextVar

IN_BODY: ContextVar[bool] = ContextVar("mainspring_in_body", default=False)
IMPORTING_FOR_RUN: ContextVar[bool] = ContextVar("mainspring_loading_for_a_run", default=False)
