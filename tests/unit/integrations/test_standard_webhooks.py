"""Standard Webhooks: what the notifier signs is what our own verifier accepts, as the example of the specification says."""

import json
import ssl
import subprocess

import pytest

from mainspring.domain.errors import OptionError
from mainspring.domain.notifications.notification import NotificationEvent
from mainspring.integrations.base.notifier import ChannelFault
from mainspring.integrations.notifiers import read_channel_address
from mainspring.integrations.standard_webhooks import WebhookLink, sign_message, standard
from mainspring.integrations.verifiers import verify_request
from tests.unit.alerting.notices import CLOCK, notice, secrets
from tests.unit.alerting.peer import Peer, serving

PUBLISHED = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NEW, OLD = "whsec_" + "bmV3" * 8, "whsec_" + "b2xk" * 8


class Receiver(Peer):
    """Takes what is signed by the secret that it knows."""

    def __init__(self, secret=NEW):
        super().__init__()
        self.secret = secret
        self.accepted = {}

    def answer(self, path, headers, body):
        if verify_request(standard("hook"), body, headers, [self.secret], CLOCK.now()) is not None:
            return 401, {}, {}
        self.accepted[headers["webhook-id"]] = json.loads(body)
        return 204, {}, b""


def link_to(url, **values):
    address = url.replace("http", "webhook+http", 1)
    return WebhookLink(read_channel_address(f"{address}/in/{{secret:path}}?a=1&secret=hook"), secrets(**values), CLOCK)


@pytest.mark.asyncio
@pytest.mark.parametrize("secret", [NEW, OLD])
async def test_notice_is_signed_by_every_secret_of_a_rotation(secret):
    """A receiver that knows the new or only the old one takes it, once for each id."""
    async with serving(Receiver(secret)) as peer:
        link = link_to(peer.url, hook=f"{NEW}\n{OLD}\n", path="p/q")
        for _ in range(2):
            await link.send(notice(NotificationEvent.RESOLVED), None)
        assert peer.requests[0][0] == "/in/p/q?a=1"
        (data,) = peer.accepted.values()
        assert data["type"] == "incident.resolved"
        assert data["data"]["headline"] == "[page] backup: resolved"
        assert list(peer.accepted) == ["a_1"]
        await link.close()


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("status", "is_final"), [(400, True), (413, True), (422, True), (401, False), (404, False), (410, False)]
)
async def test_answer_states_whether_the_notice_or_the_channel_is_at_fault(status, is_final):
    """What is wrong with one notice stops no other; what is wrong with the address makes all wait."""
    async with serving(Receiver()) as peer:
        peer.faults = [("", (status, {}, {}))]
        link = link_to(peer.url, hook=NEW, path="p")
        with pytest.raises(ChannelFault, match=str(status)) as caught:
            await link.send(notice(), None)
        assert caught.value.is_final is is_final
        await link.close()


@pytest.mark.asyncio
async def test_secret_of_another_form_is_reported_without_its_value():
    """It is seen before anything is sent."""
    link = link_to("http://127.0.0.1:1", hook="not base 64!", path="p")
    with pytest.raises(OptionError, match="not base 64") as caught:
        await link.send(notice(), None)
    assert "not base 64!" not in str(caught.value)
    await link.close()


@pytest.mark.asyncio
async def test_server_that_cannot_prove_its_name_gets_nothing(tmp_path):
    """A certificate that no one vouches for ends the connection before anything is sent."""
    pem = tmp_path / "own.pem"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    subprocess.run([*made, "-keyout", pem, "-out", tmp_path / "cert"], check=True, capture_output=True)
    pem.write_text(pem.read_text() + (tmp_path / "cert").read_text())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    async with serving(Receiver(), ssl=context) as peer:
        link = link_to(peer.url.replace("http", "https"), hook=NEW, path="p")
        with pytest.raises(ChannelFault, match=r"(?i)certificate"):
            await link.send(notice(), None)
        assert peer.requests == []
        await link.close()


def test_signature_is_that_of_the_published_example():
    """Id, time, body and secret of the specification give its signature."""
    headers = sign_message([PUBLISHED], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330_000, b'{"test": 2432232314}')
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert headers["webhook-timestamp"] == "1614265330"


def test_message_is_signed_by_each_secret():
    """A receiver that knows any of them accepts it; one that knows none rejects it."""
    old, other = "whsec_b2xkb2xkb2xkb2xk", "whsec_b3RoZXJvdGhlcm90aGVy"
    headers = sign_message([PUBLISHED, old], "m", 1_000_000, b"x")
    rule = standard("a")
    assert verify_request(rule, b"x", headers, [old], 1_000_000) is None
    assert verify_request(rule, b"x", headers, [PUBLISHED], 1_000_000) is None
    assert verify_request(rule, b"x", headers, [other], 1_000_000) is not None
