"""What we sign is what our own verifier, and the example of Standard Webhooks, say is right."""

from mainspring.domain.triggers.webhooks.signing import sign_message
from mainspring.domain.triggers.webhooks.verification import verify_request
from mainspring.domain.triggers.webhooks.verifier import StandardWebhooks

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_signature_is_that_of_the_published_example():
    """Id, time, body and secret of the specification give its signature."""
    headers = sign_message([SECRET], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330_000, b'{"test": 2432232314}')
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert headers["webhook-timestamp"] == "1614265330"


def test_message_is_signed_by_each_secret():
    """Anyone who knows any of them takes it; anyone who knows none does not."""
    old, other = "whsec_b2xkb2xkb2xkb2xk", "whsec_b3RoZXJvdGhlcm90aGVy"
    headers = sign_message([SECRET, old], "m", 1_000_000, b"x")
    rule = StandardWebhooks(secrets=("a",))
    assert verify_request(rule, b"x", headers, [old], 1_000_000) is None
    assert verify_request(rule, b"x", headers, [SECRET], 1_000_000) is None
    assert verify_request(rule, b"x", headers, [other], 1_000_000) is not None
