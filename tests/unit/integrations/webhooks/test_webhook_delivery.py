"""What becomes of a genuine request: its value, its key, its name."""

import base64
import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.domain.ids import hash_parts
from mainspring.domain.text.printable_key import make_printable_key
from mainspring.domain.triggers.webhooks.webhook_body import InvalidRequest
from mainspring.integrations import verify
from mainspring.integrations.base.webhook_verifier import ImmediateResponse
from mainspring.integrations.verifiers import verify_request
from mainspring.integrations.webhooks.webhook_declaration import parse_webhook
from mainspring.integrations.webhooks.webhook_delivery import ReadDelivery, read_webhook_request
from tests.hook_samples import NOW_AT, SAMPLES, SECRET, Request, sample, signed, signed_sample

JSON = {"content-type": "application/json"}


def hook(kind="bearer", **options):
    made = verify.none() if kind == "none" else getattr(verify, kind)("S")
    return parse_webhook("/x", verify=made, **options)


def read(request, kind="bearer", **options):
    return read_webhook_request(hook(kind, **options), request.body, request.headers)


@pytest.mark.parametrize("name", SAMPLES)
def test_each_sample_is_let_in_and_read(name):
    """As its sender signs it; what is asked for at the set-up of a webhook is answered."""
    kind = name.partition("-")[0]
    request = signed_sample(name)
    assert verify_request(hook(kind).verify, request.body, request.headers, [SECRET], NOW_AT) is None
    found = read(request, kind)
    assert isinstance(found, ImmediateResponse if name in ("github-ping", "slack-url-verification") else ReadDelivery)


@pytest.mark.parametrize(
    ("name", "key", "event"),
    [
        ("github-push", "5f0c2a4e-0000-11f0-8000-00000000a001", "push"),
        ("github-workflow-run", "5f0c2a4e-0000-11f0-8000-00000000a003", "workflow_run"),
        ("stripe-payment", "evt_0000000000000001", "payment_intent.succeeded"),
        ("slack-message", "Ev00000001", "app_mention"),
        ("slack-button", "1.2.button", "block_actions"),
        ("slack-command", "1.2.command", "/deploy"),
    ],
)
def test_known_senders_have_a_delivery_id(name, key, event):
    """And what kind of event it is."""
    found = read(sample(name), name.partition("-")[0])
    assert (found.delivery.key, found.delivery.name) == (key, event)


def test_questions_of_a_set_up_are_answered_at_once():
    """The challenge of Slack as plain text; a body that only looks like one, from another sender, is a delivery."""
    assert read(sample("slack-url-verification"), "slack").body == b"a-word-that-slack-made-up"
    assert isinstance(read(sample("slack-url-verification"), "bearer"), ReadDelivery)
    assert isinstance(read(sample("github-ping"), "gitlab"), ReadDelivery)
    odd = Request(b'{"type": "url_verification", "challenge": 7}', JSON)
    assert isinstance(read(odd, "slack"), ReadDelivery)


@pytest.mark.parametrize("name", ["slack-button", "slack-command"])
def test_run_is_given_the_fields_of_a_form(name):
    """The body itself is kept as it came."""
    request = sample(name)
    found = read(request, "slack")
    assert found.delivery.body == request.body
    assert msgspec.json.decode(found.delivery.json) == found.data
    assert found.data["trigger_id"]


def test_same_request_again_has_the_same_key():
    """By the id that a sender gives, or by the body."""
    assert read(Request(b'{"a":1}', JSON | {"idempotency-key": '"k-1"'})).delivery.key == "k-1"
    assert read(Request(b'{"a":1}', JSON | {"webhook-id": "m", "idempotency-key": "k"}), "standard").delivery.key == "m"
    assert read(Request(b'{"a":1}', JSON)).delivery.key == hash_parts(b'{"a":1}')
    assert read(Request(b'{"a":1}', JSON), "github").delivery.key == hash_parts(b'{"a":1}')
    assert read(Request(b'{"a":2}', JSON), "stripe").delivery.key == hash_parts(b'{"a":2}')


def test_empty_body_needs_an_id():
    """Nothing else would tell the second request from the first."""
    assert read(Request(b"", {})).code == "no_key"
    found = read(Request(b"", {"idempotency-key": "1"}))
    assert (found.data, found.delivery.json) == (None, b"null")


@pytest.mark.parametrize(
    ("key", "body", "headers", "made"),
    [
        ("{headers.X-Id}", b"{}", {"x-id": "7"}, "7"),
        ("{data.order.id}/{data.n}", b'{"order": {"id": "o"}, "n": 3}', {}, "o/3"),
        ("{name}:{data.id}", b'{"type": "paid", "id": 1}', {}, "paid:1"),
        ("{data}", b'"text"', {}, "text"),
        ("{headers.X-Id}", b"{}", {}, None),
        ("{data.id}", b"[]", {}, None),
        ("{data.id}", b'{"id": null}', {}, None),
        ("{data.id}", b'{"id": "a\\nb"}', {}, None),
        ("{data.id}", b'{"id": [1]}', {}, None),
        ("{data.id}", json.dumps({"id": "x" * 1001}).encode(), {}, None),
    ],
)
def test_key_of_ones_own_is_filled_in_or_the_delivery_is_refused(key, body, headers, made):
    """A delivery without its key could not be distinguished from others: 422."""
    found = read(Request(body, JSON | headers), key=key)
    assert (found.delivery.key if made else (found.status, found.code)) == (made or (422, "no_key"))


def test_id_that_is_too_long_is_shortened_the_same_way_each_time():
    """A sender's own ids are never the reason to refuse."""
    keys = {read(Request(b"{}", JSON | {"webhook-id": "x" * 2_000})).delivery.key for _ in range(2)}
    assert keys == {make_printable_key("x" * 2_000)}
    odd = {"specversion": "1.0", "id": "a\nb", "source": "s", "type": "t"}
    found = read(Request(json.dumps(odd).encode(), {"content-type": "application/cloudevents+json"}))
    assert found.delivery.key == make_printable_key("s a\nb")


CE = {"ce-specversion": "1.0", "ce-id": "A-1", "ce-source": "/shop", "ce-type": "order%20paid"}


def test_binary_cloud_event_is_read():
    """Key = source and id, name = type, data = the body."""
    found = read(Request(b'{"n": 1}', JSON | CE))
    assert (found.delivery.key, found.delivery.name, found.data) == ("/shop A-1", "order paid", {"n": 1})
    assert found.delivery.json == b'{"n": 1}'


@pytest.mark.parametrize(
    ("more", "data"),
    [
        ({"data": {"n": 1}}, {"n": 1}),
        ({}, None),
        ({"data_base64": base64.b64encode(b'{"n": 1}').decode()}, {"n": 1}),
        ({"data_base64": "AAE=", "datacontenttype": "image/png"}, "AAE="),
    ],
)
def test_structured_cloud_event_is_read(more, data):
    """What a run is given is the data; what came is kept whole."""
    body = json.dumps({"specversion": "1.0", "id": "A-1", "source": "/shop", "type": "paid", **more}).encode()
    found = read(Request(body, {"content-type": "application/cloudevents+json; charset=utf-8"}))
    assert (found.delivery.key, found.delivery.name, found.data, found.delivery.body) == (
        "/shop A-1",
        "paid",
        data,
        body,
    )
    assert msgspec.json.decode(found.delivery.json) == data


@pytest.mark.parametrize(
    ("envelope", "at"),
    [
        ([], "$"),
        ({"specversion": "1.0", "id": "", "source": "s", "type": "t"}, "$.id"),
        ({"specversion": "1.0", "id": 7, "source": "s", "type": "t"}, "$.id"),
        ({"specversion": "1.0", "id": "1", "type": "t"}, "$.source"),
        ({"specversion": "0.3", "id": "1", "source": "s", "type": "t"}, "$.specversion"),
        ({"specversion": "1.0", "id": "1", "source": "s", "type": "t", "data_base64": "!"}, "$.data_base64"),
        ({"specversion": "1.0", "id": "1", "source": "s", "type": "t", "data_base64": 1}, "$.data_base64"),
        ({"specversion": "1.0", "id": "1", "source": "s", "type": "t", "data": 1, "data_base64": ""}, "$.data_base64"),
    ],
)
def test_cloud_event_that_is_none_is_refused_with_the_place(envelope, at):
    """422, and a batch 415."""
    request = Request(json.dumps(envelope).encode(), {"content-type": "application/cloudevents+json"})
    found = read(request)
    assert (found.status, found.at) == (422, at)
    batch = Request(b"[]", {"content-type": "application/cloudevents-batch+json"})
    assert read(batch).status == 415


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b'{"a": 1, "a": 2}', "doubled_key"),
        (b"[" * 70 + b"]" * 70, "too_deep"),
        (b"{", "bad_json"),
        (b"\xff", "bad_json"),
    ],
)
def test_data_in_base_64_is_read_as_strictly_as_any_other(data, code):
    """Wrapped, it must not bring in what is refused bare."""
    envelope = {
        "specversion": "1.0",
        "id": "1",
        "source": "s",
        "type": "t",
        "data_base64": base64.b64encode(data).decode(),
    }
    found = read(Request(json.dumps(envelope).encode(), {"content-type": "application/cloudevents+json"}))
    assert (found.status, found.code, found.at) == (400, code, "$.data_base64")


def test_secrets_are_not_kept_with_the_headers():
    """Tokens, cookies, and the header that a webhook of its own names."""
    secret = {"authorization": "Bearer s", "cookie": "s", "x-gitlab-token": "s", "proxy-authorization": "s"}
    found = read(Request(b"{}", JSON | secret | {"x-kept": "1"}))
    assert found.delivery.headers == JSON | {"x-kept": "1"}
    own = parse_webhook("/x", verify=verify.bearer("S", header="X-Api-Key"))
    assert read_webhook_request(own, b"{}", JSON | {"x-api-key": "s"}).delivery.headers == JSON


@given(
    body=st.binary(max_size=60) | st.sampled_from([sample(name).body for name in SAMPLES]),
    headers=st.dictionaries(
        st.sampled_from(["content-type", "ce-specversion", "ce-id", "ce-source", "ce-type", "webhook-id", "x-github-event",
                         "x-github-delivery", "x-slack-retry-num", "idempotency-key", "content-encoding", "x-gitlab-event"]),
        st.sampled_from(["application/json", "application/cloudevents+json", "application/x-www-form-urlencoded"])
        | st.sampled_from(["1.0", "ping", "", "٣", '"'])
        | st.text(st.characters(max_codepoint=255), max_size=10),
    ),
    kind=st.sampled_from(["none", "standard", "github", "stripe", "slack", "gitlab", "bearer"]),
    key=st.sampled_from([None, "{data.id}", "{headers.webhook-id}", "{name}{data.type}"]),
)  # fmt: skip
def test_whatever_comes_is_read_or_refused(body, headers, kind, key):
    """Nothing of it raises, and each key can be kept."""
    found = read(Request(body, headers), kind, key=key)
    if isinstance(found, ReadDelivery):
        assert 1 <= len(found.delivery.key) <= 1_000
        assert found.delivery.key.isprintable()
        assert msgspec.json.decode(found.delivery.json) == found.data
    else:
        assert isinstance(found, ImmediateResponse | InvalidRequest)


@pytest.mark.parametrize("kind", ["standard", "stripe", "slack", "github", "gitlab"])
def test_headers_of_a_cloud_event_do_not_replace_the_id_of_a_known_sender(kind):
    """They are not signed: anyone who saw one delivery could send it again under as many ids as they like."""
    body = b'{"id": "evt_1", "event_id": "evt_1", "type": "paid"}'
    request = signed(
        kind, Request(body, JSON | {"webhook-id": "evt_1", "x-github-delivery": "evt_1", "idempotency-key": "evt_1"})
    )
    first = read(request, kind)
    again = read(Request(body, request.headers | CE), kind)
    assert (again.delivery.key, again.delivery.name) == (first.delivery.key, first.delivery.name)
    assert first.delivery.key == "evt_1"


@pytest.mark.parametrize("kind", ["bearer", "none"])
def test_headers_of_a_cloud_event_count_where_no_id_is_signed_anyway(kind):
    """A token proves who sends, not what."""
    assert read(Request(b"{}", JSON | CE), kind).delivery.key == "/shop A-1"
