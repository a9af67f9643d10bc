"""Which headers of a request are kept."""

import pytest

from mainspring.domain.errors import OptionError
from mainspring.engine.definitions.trigger_draft import build_trigger_draft
from mainspring.integrations import verify
from mainspring.integrations.webhooks.stored_headers import select_stored_headers
from mainspring.integrations.webhooks.webhook_declaration import parse_webhook

PLAIN = {
    "content-type": "application/json",
    "x-request-id": "1",
    "x-design": "2",
    "x-signal": "3",
    "x-github-event": "push",
    "idempotency-key": "4",
    "x-event-key": "repo:push",
    "x-author": "ana",
    "x-authors": "ana, bob",
    "keep-alive": "5",
    "x-keyboard": "de",
}
SECRETS = [
    "authorization", "proxy-authorization", "cookie", "x-gitlab-token", "x-api-key", "x_api_key", "X-Auth-Token",
    "X-Telegram-Bot-Api-Secret-Token", "x-webhook-secret", "x-shop-password", "x-functions-key", "ocp-apim-subscription-key", "apikey",
    "x-authentication", "x-forwarded-access-token", "auth", "x-passwd", "x-amz-credentials", "x-signing-keys",
]  # fmt: skip
SIGNATURES = [
    "x-hub-signature", "x-hub-signature-256", "stripe-signature", "x-slack-signature", "webhook-signature", "signature",
    "x-shopify-hmac-sha256", "paypal-transmission-sig", "x-proof",
]  # fmt: skip
OWN = verify.hmac("S", header="X-Proof")
TOKEN = verify.bearer("S", header="X-Door")


def test_neither_secrets_nor_signatures_are_kept():
    """Whatever signs, those of all known senders, and the one that the webhook itself names."""
    assert select_stored_headers(OWN, PLAIN | dict.fromkeys([*SECRETS, *SIGNATURES], "s")) == PLAIN
    assert select_stored_headers(TOKEN, PLAIN | {"x-door": "s", "x-proof": "kept"}) == PLAIN | {"x-proof": "kept"}


@pytest.mark.parametrize("header", [*SECRETS, "x-door"])
def test_secret_is_refused_as_a_key_at_load(header):
    """It would be stored and shown, and is the same for each delivery."""
    with pytest.raises(OptionError, match="would be stored and shown"):
        parse_webhook("/a", verify=TOKEN, key=f"{{data.id}} {{headers.{header}}}")


def test_signature_may_be_a_key():
    """It is the one thing that tells apart what is signed without an id."""
    assert parse_webhook("/a", verify=OWN, key="{headers.X-Proof}").key == "{headers.x_proof}"


@pytest.mark.parametrize("option", ["by", "partition"])
def test_templates_over_what_is_stored_name_what_is_kept(option):
    """Otherwise no delivery would ever have a value for it."""
    for header in ("authorization", "x-proof", "stripe-signature"):
        with pytest.raises(OptionError, match=f"{option} names the header {header}, which is not stored"):
            build_trigger_draft("webhook", {"path": "/a", "verify": OWN, option: f"{{headers.{header}}}"})
    assert build_trigger_draft("webhook", {"path": "/a", "verify": OWN, option: "{headers.x-tenant}"})
    assert build_trigger_draft("event", {"name": "a", option: "{headers.authorization}"})
