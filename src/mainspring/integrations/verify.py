"""`ms.verify`: verifiers of a webhook's sender. Each takes the names of one or more secrets, never their values.

    @ms.on.webhook("/github", verify=ms.verify.github("GITHUB_HOOK"))

The process that receives webhooks finds the secret GITHUB_HOOK in the variable MAINSPRING_SECRET_GITHUB_HOOK or in the folder that
`secrets.dir` names. Every function raises OptionError for an invalid name, and for options that cannot work.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from mainspring.domain.triggers.webhooks.verifier_options import VerifierOptions
from mainspring.integrations.verifiers import VERIFIERS, find_declaration

if TYPE_CHECKING:  # for checkers, one line for each kind; a test compares them with the table
    from mainspring.integrations.bearer import bearer as bearer
    from mainspring.integrations.github import github as github
    from mainspring.integrations.gitlab import gitlab as gitlab
    from mainspring.integrations.hmac_signature import hmac as hmac
    from mainspring.integrations.slack import slack as slack
    from mainspring.integrations.standard_webhooks import standard as standard
    from mainspring.integrations.stripe import stripe as stripe
    from mainspring.integrations.unsigned import none as none

__all__ = sorted(VERIFIERS)  # noqa: PLE0605 - a list all the same


if not TYPE_CHECKING:  # checkers know the lines above, and report any other name

    def __getattr__(name: str) -> Callable[..., VerifierOptions]:
        """Import the function of a kind when it is first used, and keep it."""
        if name not in VERIFIERS:
            raise AttributeError(f"module 'mainspring.verify' has no attribute {name!r}")
        declaration = find_declaration(name)
        globals()[name] = declaration
        return declaration


def __dir__() -> list[str]:
    """Offer the kinds to completion."""
    return sorted({*globals(), *VERIFIERS})
