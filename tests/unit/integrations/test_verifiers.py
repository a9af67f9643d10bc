"""Who is let in by which signature."""

import base64
import hmac
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook as Oracle
from standardwebhooks.webhooks import WebhookVerificationError

from mainspring.integrations import verify
from mainspring.integrations.base.webhook_verifier import BAD_SIGNATURE, NO_SIGNATURE, OLD_TIMESTAMP
from mainspring.integrations.verifiers import find_verifier, verify_request
from tests.hook_samples import NOW_AT, SECRET, STANDARD_SECRET, Request, signed

SECRETS = {"standard": STANDARD_SECRET}
VERIFIERS = {
    "standard": verify.standard("S"),
    "github": verify.github("S"),
    "stripe": verify.stripe("S"),
    "slack": verify.slack("S"),
    "gitlab": verify.gitlab("S"),
    "bearer": verify.bearer("S"),
}
STAMPED = ("standard", "stripe", "slack")
OVER_BODY = ("standard", "github", "stripe", "slack")
SLACK_BODY = (
    b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar"
    b"&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com"
    b"%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121."
    b"803a0bc887a14d10d2c447fce8b6703c"
)
BODY = Request(b'{"id": 1}', {})


def checked(kind, request, *secrets, now_at=NOW_AT):
    refused = verify_request(
        VERIFIERS[kind], request.body, request.headers, secrets or [SECRETS.get(kind, SECRET)], now_at
    )
    return refused.code if refused is not None else None


# Examples that the senders publish, and for GitLab and bearer tokens the plain comparison.
@pytest.mark.parametrize(
    ("verifier", "secret", "body", "headers", "now_at"),
    [
        (
            verify.github("S"),
            "It's a Secret to Everybody",
            b"Hello, World!",
            {"x-hub-signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"},
            0,
        ),
        (
            verify.slack("S"),
            "8f742231b10e8888abcd99yyyzzz85a5",
            SLACK_BODY,
            {
                "x-slack-request-timestamp": "1531420618",
                "x-slack-signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
            },
            1_531_420_618_000,
        ),
        (
            verify.standard("S"),
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            b'{"test": 2432232314}',
            {
                "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
                "webhook-timestamp": "1614265330",
                "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
            },
            1_614_265_330_000,
        ),
        (verify.gitlab("S"), "t0ken", b"", {"x-gitlab-token": "t0ken"}, 0),
        (verify.bearer("S"), "t0ken", b"", {"authorization": "bearer t0ken"}, 0),
        (verify.bearer("S", header="X-Api-Key"), "t0ken", b"", {"x-api-key": "t0ken"}, 0),
    ],
)
def test_published_examples_fit(verifier, secret, body, headers, now_at):
    """Byte for byte; with any other body, secret or header they do not."""
    assert verify_request(verifier, body, headers, [secret], now_at) is None
    assert verify_request(verifier, body, headers, ["c2VjcmV0b3RoZXI="], now_at).code == BAD_SIGNATURE
    assert verify_request(verifier, body, {}, [secret], now_at).code == NO_SIGNATURE


def test_published_example_of_stripe_has_the_form_of_its_header():
    """Several v1 signatures, others beside them, blanks after commas."""
    right = hmac.digest(b"whsec_test", b"1492774577." + BODY.body, "sha256").hex()
    signature = f"t=1492774577, v1={'0' * 64},v1={right},v0={'0' * 64}"
    verifier = verify.stripe("S")
    assert (
        verify_request(verifier, BODY.body, {"stripe-signature": signature}, ["whsec_test"], 1_492_774_577_000) is None
    )
    for invalid in (
        signature + ",t=1492774578",
        f"v1={right}",
        f"t=1492774577,v0={right}",
        "",
        "t=",
        "t=1492774577,v1=zz",
    ):
        assert verify_request(verifier, BODY.body, {"stripe-signature": invalid}, ["whsec_test"], 1_492_774_577_000)


@pytest.mark.parametrize("kind", VERIFIERS)
def test_genuine_request_is_let_in_and_a_changed_one_is_not(kind):
    """One byte of the body, one of the secret, no header at all."""
    request = signed(kind, BODY)
    assert checked(kind, request) is None
    assert checked(kind, BODY) == NO_SIGNATURE
    if kind in OVER_BODY:
        assert checked(kind, Request(b'{"id": 2}', request.headers)) == BAD_SIGNATURE
    other = "whsec_" + base64.b64encode(b"another").decode() if kind == "standard" else SECRET + "x"
    assert checked(kind, request, other) == BAD_SIGNATURE


@pytest.mark.parametrize("kind", VERIFIERS)
def test_any_of_several_secrets_fits(kind):
    """The old and the new one during a rotation; without any no one gets in."""
    request = signed(kind, BODY)
    secrets = ["b3RoZXI=", SECRETS.get(kind, SECRET), "bW9yZQ=="]
    assert checked(kind, request, *secrets) is None
    assert checked(kind, request, *secrets[::2]) == BAD_SIGNATURE
    assert verify_request(VERIFIERS[kind], request.body, request.headers, [], NOW_AT).code == BAD_SIGNATURE


@pytest.mark.parametrize("kind", STAMPED)
@pytest.mark.parametrize(("seconds", "code"), [(-300, None), (300, None), (-301, OLD_TIMESTAMP), (301, OLD_TIMESTAMP)])
def test_timestamp_may_be_five_minutes_off(kind, seconds, code):
    """A signed request that is played back later is too old; one of the future is refused too."""
    assert checked(kind, signed(kind, BODY, at=NOW_AT // 1000 + seconds)) == code


@pytest.mark.parametrize("kind", STAMPED)
@pytest.mark.parametrize("stamp", ["1e9", "-1", "1.5", "99999999999999999999", " ", "٣", "NaN", "0x10"])
def test_timestamp_is_a_plain_number(kind, stamp):
    """Whatever else could be read as a number is not."""
    request = signed(kind, BODY)
    now = str(NOW_AT // 1000)
    headers = {
        name: stamp if value == now else value.replace(f"t={now}", f"t={stamp}")
        for name, value in request.headers.items()
    }
    assert checked(kind, Request(request.body, headers)) == OLD_TIMESTAMP


@pytest.mark.parametrize(
    ("algorithm", "encoding"), [("sha1", "hex"), ("sha256", "base64"), ("sha384", "hex"), ("sha512", "base64")]
)
def test_any_other_hmac_can_be_described(algorithm, encoding):
    """Header, prefix, algorithm, encoding, and what is signed."""
    stamp = NOW_AT // 1000
    made = hmac.digest(SECRET.encode(), b"v1|%d|" % stamp + BODY.body + b"|end", algorithm)
    text = made.hex() if encoding == "hex" else base64.b64encode(made).decode()
    verifier = verify.hmac(
        "S", header="X-Sig", algorithm=algorithm, encoding=encoding, prefix="v1=",
        over="v1|{timestamp}|{body}|end", timestamp_header="X-Time",
    )  # fmt: skip
    headers = {"x-sig": f"v1={text}", "x-time": str(stamp)}
    assert verify_request(verifier, BODY.body, headers, [SECRET], NOW_AT) is None
    assert verify_request(verifier, BODY.body, headers, [SECRET], NOW_AT + 301_000).code == OLD_TIMESTAMP
    assert verify_request(verifier, BODY.body, headers | {"x-sig": text}, [SECRET], NOW_AT).code == BAD_SIGNATURE
    assert verify_request(verifier, BODY.body, {"x-sig": f"v1={text}"}, [SECRET], NOW_AT).code == NO_SIGNATURE


@pytest.mark.parametrize("bad", ["whsec_!!not-base64!!", "whsec_", "sécret"])
def test_secret_that_is_none_of_standard_webhooks_keeps_no_other_from_fitting(bad):
    """It is reported without its value, and fits nothing; for the others a secret may be any text."""
    request = signed("standard", BODY)
    assert checked("standard", request, bad, STANDARD_SECRET) is None
    assert checked("standard", request, bad) == BAD_SIGNATURE
    assert "base 64" in find_verifier("standard").explain_bad_secret(bad)
    assert find_verifier("standard").explain_bad_secret(STANDARD_SECRET) is None
    assert find_verifier("github").explain_bad_secret(bad) is None


def test_unverified_sender_is_accepted_only_if_configured():
    """`none()` asks for nothing."""
    assert verify_request(verify.none(), b"", {}, [], 0) is None


def test_long_lists_of_signatures_are_not_tried():
    """A header with thousands of them costs no more than twenty."""
    request = signed("standard", BODY)
    right = request.headers["webhook-signature"]
    invalid = "v1," + base64.b64encode(bytes(32)).decode()
    for many, code in ((19, None), (20, BAD_SIGNATURE)):
        headers = request.headers | {"webhook-signature": " ".join([*[invalid] * many, right])}
        assert checked("standard", Request(request.body, headers)) == code


def test_every_comparison_takes_constant_time(monkeypatch):
    """Each secret is compared with each signature, although the first fits."""
    compared = []

    def spy(left, right):
        compared.append((left, right))
        return left == right

    monkeypatch.setattr("mainspring.integrations.base.webhook_verifier.hmac.compare_digest", spy)
    for kind in VERIFIERS:
        compared.clear()
        secret = SECRETS.get(kind, SECRET)
        assert checked(kind, signed(kind, BODY), secret, "b3RoZXI=", "bW9yZQ==") is None
        assert len(compared) == 3


BYTES = st.sampled_from([b'{"a": 1}', b"", b"{}", '{"ä": "ö"}'.encode(), b"text"])


@given(
    body=BYTES,
    key=st.binary(min_size=1, max_size=64),
    identity=st.sampled_from(["msg_1", "", "msg.2", "ä"]),
    late=st.integers(-700, 700),
    change=st.sampled_from(["", "body", "signature", "id", "stamp", "secret", "version", "none"]),
    before=st.lists(st.sampled_from(["v1a,AAAA", "v1,AAAA", "v2,AAAA"]), max_size=2),
)
def test_standard_webhooks_match_the_reference_package(body, key, identity, late, change, before):
    """The package is the oracle: same requests in, same verdict out."""
    secret = "whsec_" + base64.b64encode(key).decode()
    now = datetime.now(UTC).replace(microsecond=0)
    # Away from the edges: the oracle asks the machine's clock.
    stamp = now + timedelta(seconds=late + (5 if late > 0 else -5) if abs(abs(late) - 300) < 5 else late)
    signature = Oracle(secret).sign(identity, stamp, body.decode())
    headers = {
        "webhook-id": identity,
        "webhook-timestamp": str(int(stamp.timestamp())),
        "webhook-signature": " ".join([*before, signature]),
    }
    if change == "body":
        body += b" "
    elif change == "secret":
        secret = "whsec_" + base64.b64encode(key + b"x").decode()
    elif change == "signature":
        headers["webhook-signature"] = "v1," + base64.b64encode(bytes(32)).decode()
    elif change == "id":
        headers["webhook-id"] += "x"
    elif change == "stamp":
        headers["webhook-timestamp"] = str(int(stamp.timestamp()) + 1)
    elif change == "version":
        headers["webhook-signature"] = headers["webhook-signature"].replace("v1,", "v9,")
    elif change == "none":
        del headers["webhook-signature"]
    try:
        Oracle(secret).verify(body, headers, json_parse=False)
        expected = True
    except WebhookVerificationError:
        expected = False
    raw = {name: value.encode().decode("latin-1") for name, value in headers.items()}
    found = verify_request(verify.standard("S"), body, raw, [secret], int(now.timestamp() * 1000))
    assert (found is None) == expected
