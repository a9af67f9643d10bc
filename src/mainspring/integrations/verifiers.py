"""All webhook verifiers by their kind, one line for each kind of sender."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib import import_module
from types import ModuleType

from mainspring.domain.triggers.webhooks.verifier_options import VerifierOptions
from mainspring.integrations.base.webhook_verifier import RejectedRequest, WebhookVerifier

VERIFIERS = {
    "standard": "standard_webhooks",
    "github": "github",
    "stripe": "stripe",
    "slack": "slack",
    "gitlab": "gitlab",
    "bearer": "bearer",
    "hmac": "hmac_signature",
    "none": "unsigned",
}
"""The module of each kind, imported when it is needed: `VERIFIER`, and the function of `ms.verify` under the name of the kind."""


@cache
def find_verifier(kind: str) -> WebhookVerifier:
    """Return the verifier of a kind. Raises KeyError if there is none."""
    verifier: WebhookVerifier = _import_module(kind).VERIFIER
    return verifier


def find_declaration(kind: str) -> Callable[..., VerifierOptions]:
    """Return the function of `ms.verify` that declares a verifier. Raises KeyError if there is none."""
    declaration: Callable[..., VerifierOptions] = getattr(_import_module(kind), kind)
    return declaration


def verify_request(
    options: VerifierOptions, body: bytes, headers: Mapping[str, str], secrets: Sequence[str], now_at: int
) -> RejectedRequest | None:
    """Return why a request is rejected, None if it is genuine; see `WebhookVerifier.verify`."""
    return find_verifier(options.kind).verify(options, body, headers, secrets, now_at)


def _import_module(kind: str) -> ModuleType:
    return import_module(f"mainspring.integrations.{VERIFIERS[kind]}")
