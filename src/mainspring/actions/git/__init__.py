"""Git actions: keep a checkout up to date, and commit and push once, so that a second call changes nothing.

Each command runs without hooks, without prompts and without the configuration of the user. Needs Git 2.40 or newer.
"""

from mainspring.actions.git.checkout import GitCheckout, checkout, checkout_async
from mainspring.actions.git.git_errors import GitActionError, GitConflictError, GitPushUnknownError, GitUnavailableError
from mainspring.actions.git.push import GitPush, push, push_async

__all__ = [
    "GitActionError",
    "GitCheckout",
    "GitConflictError",
    "GitPush",
    "GitPushUnknownError",
    "GitUnavailableError",
    "checkout",
    "checkout_async",
    "push",
    "push_async",
]
