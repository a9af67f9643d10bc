"""The listener of webhooks: what senders are reported, and what is in the store when they hear it."""

import asyncio
import contextlib
import json
import logging
import threading
from datetime import timedelta

import msgspec
import pytest

import mainspring as ms
from mainspring.config.web_settings import HooksSettings
from mainspring.domain.clock import SystemClock
from mainspring.domain.errors import SealedError, StoreUnavailableError
from mainspring.domain.values.codec import DEFAULT_LIMIT
from mainspring.domain.values.sealing import PLAIN_SEALING
from mainspring.engine.definitions.announcement import build_announcement
from mainspring.integrations.secrets.env_secrets import EnvSecrets
from mainspring.resources.secret_store import ProviderEntry, SecretStore
from mainspring.store.commands.results import Refused
from mainspring.triggers import intake
from mainspring.triggers.delivery_command import prepare_delivery
from mainspring.triggers.trigger_cache import TriggerCache
from mainspring.web.webhooks import webhook_asgi
from mainspring.web.webhooks.result_waiters import MOST_WAITING, ResultWaiters
from mainspring.web.webhooks.webhook_asgi import WebhookApp
from tests.hook_samples import SECRET, Request, signed, signed_sample
from tests.hook_world import ENV, JSON, REGISTRY, TOKEN, world

pytestmark = pytest.mark.asyncio
ORDER = Request(b'{"id": "o-1", "lines": [{"sku": "a", "qty": 2}]}', TOKEN)


async def test_delivery_is_stored_before_its_sender_hears_of_it(tmp_path):
    """202 with the ids of run and delivery, which are both in the store; the same again gets the same answer, and no second run."""
    async with world(tmp_path) as w:
        answer = await w.ask("/orders", ORDER)
        assert (answer.status, sorted(answer.json)) == (202, ["delivery", "run"])
        rows = w.rows("select id, run, state, key, verified from deliveries")
        assert rows == [(answer.json["delivery"], answer.json["run"], "started", "o-1", "bearer")]
        again = [await w.ask("/orders", ORDER, parts=5) for _ in range(3)]
        assert {answer.body for answer in again} == {answer.body}
        assert w.rows("select count(*) from runs") == [(1,)]
        assert w.answers == {("order/webhook", "accepted"): 1, ("order/webhook", "again"): 3}


async def test_same_delivery_from_many_connections_starts_one_run(tmp_path):
    """All of them hear the same."""
    async with world(tmp_path) as w:
        answers = await asyncio.gather(*[w.ask("/orders", ORDER) for _ in range(50)])
        assert len({answer.body for answer in answers}) == 1
        assert w.rows("select count(*) from runs") == [(1,)]


async def test_same_id_with_another_body_is_refused_and_displayed(tmp_path):
    """409; the first one stays as it is."""
    async with world(tmp_path) as w:
        await w.ask("/orders", ORDER)
        answer = await w.ask("/orders", Request(b'{"id": "o-1"}', TOKEN))
        assert (answer.status, answer.json["code"]) == (409, "other_body")
        await until(
            w, "select state, verified from deliveries order by seq", [("started", "bearer"), ("refused", "other_body")]
        )


async def until(w, query, expected):
    """Wait until the store holds this: refusals are written down beside the answer."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(60):
            while w.rows(query) != expected:
                await asyncio.sleep(0.005)
    assert w.rows(query) == expected


BAD = [
    ("/orders", b"{}", JSON, 401, "no_signature", None),
    ("/orders", b"{}", TOKEN | {"authorization": "Bearer wrong"}, 401, "bad_signature", None),
    ("/orders", b"{}", TOKEN | {"authorization": f"Basic {SECRET}"}, 401, "no_signature", None),
    ("/github", b"{}", JSON, 401, "no_signature", None),
    ("/github", b"{}", JSON | {"x-hub-signature-256": "sha256=00"}, 401, "bad_signature", None),
    ("/orders", b"{", TOKEN, 400, "bad_json", None),
    ("/orders", b"", TOKEN, 422, "no_key", None),
    ("/orders", b'{"id": NaN}', TOKEN, 400, "bad_json", None),
    ("/orders", b'{"id": "\xff"}', TOKEN, 400, "bad_json", None),
    ("/orders", b'{"id": "1", "id": "2"}', TOKEN, 400, "doubled_key", None),
    ("/orders", b"[" * 100_000 + b"]" * 100_000, TOKEN, 400, "too_deep", None),
    ("/orders", b'{"id": "1", "lines": [{"sku": "a", "qty": "x"}]}', TOKEN, 422, "misfit", "$.lines[0].qty"),
    ("/orders", b'{"id": "1", "lines": 7}', TOKEN, 422, "misfit", "$.lines"),
    ("/orders", b'{"lines": []}', TOKEN, 422, "no_key", None),
    ("/fields", b'{"amount": 1}', TOKEN, 422, "misfit", "$"),
    ("/fields", b"[]", TOKEN, 422, "misfit", "$"),
    ("/batched", b'{"lines": []}', TOKEN, 422, "misfit", "$"),
    ("/orders", b"{}", TOKEN | {"content-type": "text/plain"}, 415, "content_type", None),
    ("/orders", b"{}", TOKEN | {"content-encoding": "gzip"}, 415, "compressed", None),
    ("/open", b"a=1", {"content-type": "application/x-www-form-urlencoded"}, 415, "content_type", None),
    ("/open", b"{}", {}, 415, "content_type", None),
    ("/standard", b"x" * 2_001, JSON, 401, "no_signature", None),
    ("/unset", b"{}", TOKEN, 503, "no_secret", None),
]  # fmt: skip


async def test_bad_request_gets_its_reason(tmp_path):
    """As a problem document with a code, and nothing of it starts."""
    async with world(tmp_path) as w:
        for path, body, headers, status, code, at in BAD:
            answer = await w.ask(path, Request(body, headers))
            assert (answer.status, answer.json["code"], answer.json.get("at")) == (status, code, at), (path, body[:100])
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json["status"] == status
            scheme = {"/orders": "Bearer"}.get(path, "Signature")
            expected = f'{scheme} realm="webhook"' if status == 401 else None
            assert answer.headers.get("www-authenticate") == expected, path
            assert SECRET not in answer.body.decode()
        assert w.rows("select count(*) from runs") == [(0,)]
        assert w.app.admission.bytes == w.app.admission.inside == 0


async def test_refused_request_is_kept_for_people_without_its_secrets(tmp_path):
    """With why, and with what was sent, as far as it was read."""
    async with world(tmp_path) as w:
        await w.ask("/orders", Request(b"{}", TOKEN | {"authorization": "Bearer wrong-word"}))
        await w.ask("/github", Request(b'{"forged": 1}', JSON | {"x-hub-signature-256": "sha256=00"}))
        await w.ask("/orders", Request(b'{"id": 1}', TOKEN))
        rows_expected = [
            ("order/webhook", "refused", "bad_signature", b""),
            ("push/webhook", "refused", "bad_signature", b'{"forged": 1}'),
            ("order/webhook", "refused", "misfit", b'{"id": 1}'),
        ]
        await until(
            w,
            "select trigger, state, verified, body from deliveries order by seq",
            [(*row[:3], PLAIN_SEALING.seal(row[3])) for row in rows_expected],
        )
        headers = b"".join(row[0] for row in w.rows("select headers from deliveries"))
        assert b"wrong-word" not in headers
        assert SECRET.encode() not in headers


ELSEWHERE = [
    ("GET", "/healthz", 200), ("HEAD", "/healthz", 200), ("POST", "/healthz", 405), ("GET", "/readyz", 404), ("GET", "/metrics", 404),
    ("GET", "/", 404), ("POST", "/nothing", 404), ("POST", "/orders/", 404), ("POST", "//orders", 404), ("POST", "/ORDERS", 404),
    ("POST", "/x/../orders", 404), ("POST", "/%6frders", 404), ("POST", "/orders%00", 404), ("POST", "http://h/orders", 404),
    ("POST", "/openapi.json", 404), ("GET", "/orders", 405), ("PUT", "/orders", 405), ("OPTIONS", "/orders", 405), ("BREW", "/orders", 405),
]  # fmt: skip


async def test_nothing_but_webhooks_and_health_is_there(tmp_path):
    """Paths are exact, and webhooks are posted to."""
    async with world(tmp_path) as w:
        for method, path, status in ELSEWHERE:
            answer = await w.ask(path, ORDER, method=method)
            assert answer.status == status, path
            assert (answer.headers.get("allow") is not None) == (status == 405)
            assert (answer.body == b"") == (method == "HEAD")
        assert w.rows("select count(*) from runs") == [(0,)]


async def test_senders_that_are_known_are_accepted_as_they_send(tmp_path):
    """Each sample once, by its own id and name; the questions of a set-up are answered and start nothing."""
    async with world(tmp_path) as w:
        for name in ("github-push", "stripe-payment", "slack-message", "slack-command"):
            answer = await w.ask(f"/{name.partition('-')[0]}", signed_sample(name))
            assert answer.status == (200 if name.startswith("slack") else 202)
            assert (answer.body == b"") == name.startswith("slack")
        rows = w.rows("select trigger, name, verified from deliveries order by seq")
        assert rows == [
            ("push/webhook", "push", "github"), ("payment/webhook", "payment_intent.succeeded", "stripe"),
            ("chat/webhook", "app_mention", "slack"), ("chat/webhook", "/deploy", "slack"),
        ]  # fmt: skip
        answer = await w.ask("/slack", signed_sample("slack-url-verification"))
        assert (answer.status, answer.body, answer.headers["content-type"]) == (
            200,
            b"a-word-that-slack-made-up",
            "text/plain; charset=utf-8",
        )
        assert (await w.ask("/github", signed_sample("github-ping"))).status == 200
        assert w.rows("select count(*) from deliveries") == [(4,)]
        forged = await w.ask("/slack", signed_sample("slack-url-verification", secret="another"))
        assert forged.status == 401


async def test_signed_request_that_is_played_back_starts_nothing(tmp_path):
    """In time it is the same delivery again; later its timestamp is too old."""
    async with world(tmp_path) as w:
        request = signed("standard", Request(b'{"type": "paid"}', JSON))
        answer = await w.ask("/standard", request)
        assert (await w.ask("/standard", request)).body == answer.body
        w.clock.ahead = 301_000
        late = await w.ask("/standard", request)
        assert (late.status, late.json["code"]) == (401, "old_timestamp")
        assert w.rows("select count(*) from runs") == [(1,)]


async def test_body_has_a_limit_of_the_listener_and_one_of_its_webhook(tmp_path):
    """What is announced as too large is not read; what turns out to be is not read to its end."""
    async with world(tmp_path, max_body=10_000) as w:
        body = b'{"id": "1", "x": "' + b"x" * 10_000 + b'"}'
        for request in (Request(body, TOKEN), Request(body, TOKEN | {"content-length": str(len(body))})):
            answer = await w.ask("/orders", request, parts=50)
            assert (answer.status, answer.headers["connection"]) == (413, "close")
        fits = b'{"id": "1", "x": "' + b"x" * 9_900 + b'"}'
        assert (await w.ask("/orders", Request(fits, TOKEN))).status == 202
        small = signed("standard", Request(b'{"x": "' + b"x" * 2_000 + b'"}', JSON))
        assert (await w.ask("/standard", small)).status == 413
        assert w.app.admission.bytes == 0


async def test_body_that_could_not_be_stored_is_rejected(tmp_path):
    """What a run is given is a value of the store: a listener that takes more would only let it fail later."""
    async with world(tmp_path, max_body=2 * DEFAULT_LIMIT) as w:
        answer = await w.ask("/orders", Request(b'{"id": "1", "x": "' + b"x" * DEFAULT_LIMIT + b'"}', TOKEN))
        assert (answer.status, answer.json["code"]) == (413, "too_large")
        assert "67,108,864 bytes" in answer.json["detail"]
        assert "store.payload_max" in answer.json["detail"]
    async with world(tmp_path, max_body=1_000) as w:
        answer = await w.ask("/orders", Request(b'{"id": "1", "x": "' + b"x" * 1_000 + b'"}', TOKEN))
        assert "hooks.max_body" in answer.json["detail"]
        small = signed("standard", Request(b'{"x": "' + b"x" * 2_000 + b'"}', JSON))
        assert "max_body" in (await w.ask("/standard", small)).json["detail"]


async def test_large_body_is_checked_next_to_the_others(tmp_path):
    """In a thread, with the same verdict."""
    async with world(tmp_path) as w:
        lines = [{"sku": "a" * 20, "qty": n} for n in range(4_000)]
        answer = await w.ask("/orders", Request(json.dumps({"id": "1", "lines": lines[:3_000]}).encode(), TOKEN))
        assert answer.status == 202
        lines[-1]["qty"] = "x"
        answer = await w.ask("/orders", Request(json.dumps({"id": "2", "lines": lines}).encode(), TOKEN))
        assert answer.json["at"] == "$.lines[3999].qty"


async def test_filtered_delivery_waits_for_its_filter(tmp_path):
    """It is stored and has no run yet; its value need not fit, for the filter may leave it out."""
    async with world(tmp_path) as w:
        answer = await w.ask("/sieved", Request(b'{"anything": 1}', TOKEN))
        assert (answer.status, answer.json["run"]) == (202, None)
        assert w.rows("select state, filtered from deliveries") == [("received", 1)]


async def test_paths_are_unknown_before_the_store_answers(tmp_path):
    """503, never 404; once it has, and for as long as it is away afterwards, the last good table counts."""
    async with world(tmp_path, is_open=False) as w:
        answer = await w.ask("/orders", ORDER)
        assert (answer.status, answer.headers["retry-after"]) == (503, "5")
        assert (await w.ask("/healthz", method="GET")).status == 200
        await w.open()
        assert (await w.ask("/orders", ORDER)).status == 202


async def test_new_webhook_is_there_within_a_moment_and_one_that_ended_is_gone(tmp_path):
    """As soon as its worker announced it."""
    async with world(tmp_path) as w:
        await asyncio.to_thread(w.store.apply, _renamed_path(w, "/orders", "/moved"))
        w.process.changed()
        async with asyncio.timeout(60):
            while (await w.ask("/moved", ORDER)).status == 404:
                await asyncio.sleep(0.01)
        assert (await w.ask("/orders", ORDER)).status == 404


def _renamed_path(w, old, new):
    command = build_announcement(REGISTRY, w.clock.now())
    rows = [
        msgspec.structs.replace(row, path=new, definition=row.definition.replace(old.encode(), new.encode()))
        if row.path == old
        else row
        for row in command.triggers
    ]
    return msgspec.structs.replace(command, triggers=tuple(rows))


async def test_table_that_cannot_be_read_leaves_the_last_good_one(tmp_path, monkeypatch, caplog):
    """Whatever a row holds; that is reported once."""
    async with world(tmp_path) as w:
        refresh_count = []

        def count_refresh(known):
            refresh_count.append(known)
            raise ValueError("a row of another form")

        monkeypatch.setattr(TriggerCache, "refresh", count_refresh)
        async with asyncio.timeout(60):
            while len(refresh_count) < 3:
                w.process.changed()
                await asyncio.sleep(0.01)
        assert not w.keeping.done()
        assert caplog.text.count("known webhooks still work") == 1
        assert (await w.ask("/orders", ORDER)).status == 202


async def test_store_that_is_unreachable_is_reported_and_tables_continue(tmp_path, monkeypatch):
    """503 with a time to come again; what was sent then and comes again counts once."""
    async with world(tmp_path) as w:
        real = w.intake.intake.store

        async def away(ready):
            await real(ready)
            raise StoreUnavailableError("the answer was lost\nat a secret place")

        monkeypatch.setattr(w.intake.intake, "store", away)
        answer = await w.ask("/orders", ORDER)
        assert (answer.status, answer.json["code"], answer.headers["retry-after"]) == (503, "store_unreachable", "5")
        assert "secret place" not in answer.body.decode()
        monkeypatch.setattr(w.intake.intake, "store", real)
        assert (await w.ask("/orders", ORDER)).status == 202
        assert w.rows("select count(*) from runs") == [(1,)]


async def test_sender_does_not_wait_for_a_stuck_store(tmp_path, monkeypatch):
    """Its place stays taken until the store has answered, so that memory is bounded; others are notified to come back."""
    async with world(tmp_path, at_once=3) as w:
        may_continue = asyncio.Event()
        real = w.intake.intake.store

        async def slow(ready):
            await may_continue.wait()
            return await real(ready)

        monkeypatch.setattr(w.intake.intake, "store", slow)
        monkeypatch.setattr(webhook_asgi, "STORED_WITHIN_S", 0.05)
        orders = [Request(b'{"id": "%d"}' % n, TOKEN) for n in range(5)]
        answers = await asyncio.gather(*[w.ask("/orders", order) for order in orders])
        assert [answer.status for answer in answers] == [503] * 5
        assert sorted(answer.json["code"] for answer in answers) == [
            "full",
            "full",
            "store_unreachable",
            "store_unreachable",
            "store_unreachable",
        ]
        assert w.app.admission.inside == 3
        assert w.app.admission.bytes == sum(len(order.body) for order in orders[:3])
        may_continue.set()
        async with asyncio.timeout(60):
            while w.app.admission.inside:
                await asyncio.sleep(0.005)
        assert w.app.admission.bytes == 0
        assert w.rows("select count(*) from runs") == [(3,)]
        monkeypatch.setattr(webhook_asgi, "STORED_WITHIN_S", 10)
        assert [(await w.ask("/orders", order)).status for order in orders] == [202] * 5
        assert w.rows("select count(*) from runs") == [(5,)]


REFUSALS = [
    (Refused("busy", "12 wait", 1_500), 429, "2"),
    (Refused("busy", "12 wait"), 429, "1"),
    (Refused("no_trigger", "gone"), 404, None),
    (Refused("bad_value", "$.x: no"), 422, None),
    (Refused("other_body", "other"), 409, None),
    (Refused("whatever", "later"), 503, "1"),
]


async def test_refusal_of_the_store_becomes_a_status(tmp_path, monkeypatch):
    """With a time to come again where waiting helps."""
    async with world(tmp_path) as w:
        for answer, status, wait in REFUSALS:

            async def store(ready, answer=answer):
                return answer

            monkeypatch.setattr(w.intake.intake, "store", store)
            first_answer = await w.ask("/orders", ORDER)
            assert (first_answer.status, first_answer.headers.get("retry-after")) == (status, wait)


async def test_fault_of_ours_is_reported_as_one_and_ends_nothing(tmp_path, monkeypatch, caplog):
    """500 without a word of what it was; the log has it."""
    async with world(tmp_path) as w:

        async def broken(ready):
            raise RuntimeError("inner matters")

        monkeypatch.setattr(w.intake.intake, "store", broken)
        answer = await w.ask("/orders", ORDER)
        assert (answer.status, answer.json["code"]) == (500, "fault")
        assert "inner" not in answer.body.decode()
        assert "inner matters" in caplog.text
        assert w.app.admission.inside == w.app.admission.bytes == 0


async def test_result_is_waited_for(tmp_path):
    """200 with it, and the same again; of a run that failed only that it did; 202 where it takes too long."""
    async with world(tmp_path, now_at=SystemClock().now()) as w:
        app = ms.App(tmp_path / "state.db", registry=REGISTRY)
        waiting = asyncio.create_task(w.ask("/result", Request(b'{"n": 21}', TOKEN)))
        async with app.running():
            answer = await waiting
            assert (answer.status, answer.json["result"], answer.json["state"]) == (200, 42, "succeeded")
            assert (await w.ask("/result", Request(b'{"n": 21}', TOKEN))).body == answer.body
            failed = await w.ask("/result", Request(b'{"n": -1}', TOKEN))
            assert (failed.status, failed.json["code"], failed.json["state"]) == (500, "run_failed", "failed")
            assert "secret reason" not in failed.body.decode()
            many = await asyncio.gather(*[w.ask("/result", Request(b'{"n": %d}' % n, TOKEN)) for n in range(40)])
            assert [answer.json["result"] for answer in many] == [2 * n for n in range(40)]
        assert w.intake.result_waiters._waiting == {}


async def test_result_is_waited_for_beyond_the_decision(tmp_path):
    """A filter or a pace that decides later is waited for as well: the result, or 200 with what became of it; 500 where it raised."""
    async with world(tmp_path, now_at=SystemClock().now()) as w:
        app = ms.App(tmp_path / "state.db", registry=REGISTRY)
        async with app.running():
            answer = await w.ask("/filtered", Request(b'{"n": 2}', TOKEN))
            assert (answer.status, answer.json["result"], answer.json["state"]) == (200, 4, "succeeded")
            assert answer.json["run"].startswith("r_")
            left = await w.ask("/filtered", Request(b'{"n": 3}', TOKEN))
            assert (left.status, left.json["run"], left.json["state"], left.json["result"]) == (
                200,
                None,
                "filtered",
                None,
            )
            raised = await w.ask("/filtered", Request(b'{"n": 0}', TOKEN))
            assert (raised.status, raised.json["state"]) == (500, "failed")
            assert "division" not in raised.body.decode()
            two = await asyncio.gather(*[w.ask("/paced", Request(b'{"n": %d}' % n, TOKEN)) for n in range(2)])
            assert [answer.json["result"] for answer in two] == [2, 2]
        assert w.intake.result_waiters._waiting == {}


async def test_result_that_does_not_come_in_time_is_not_waited_for(tmp_path, monkeypatch):
    """Without a worker the sender hears that the run is there; where too many wait it does not wait at all."""
    async with world(tmp_path) as w:
        hook = w.intake.table.find("/result")
        shorter = msgspec.structs.replace(hook.webhook, wait=timedelta(milliseconds=50))
        w.intake.table._by_path["/result"] = hook._replace(webhook=shorter)
        assert (await w.ask("/result", Request(b'{"n": 1}', TOKEN))).status == 202
        longer = msgspec.structs.replace(hook.webhook, wait=timedelta(hours=1))
        w.intake.table._by_path["/result"] = hook._replace(webhook=longer)
        w.intake.result_waiters._waiting["r_x"] = [
            asyncio.get_running_loop().create_future() for _ in range(MOST_WAITING)
        ]
        async with asyncio.timeout(30):
            assert (await w.ask("/result", Request(b'{"n": 2}', TOKEN))).status == 202


async def test_result_that_cannot_be_read_keeps_no_sender_waiting(tmp_path, monkeypatch, caplog):
    """It hears the ids at once, we the reason; the others are answered as ever."""
    async with world(tmp_path, now_at=SystemClock().now()) as w:
        real, broken = ResultWaiters._read_outcome, []

        def note_wait(ends, waited):
            if not broken or broken == [waited]:
                broken[:] = [waited]
                raise msgspec.DecodeError("a result of another form")
            return real(ends, waited)

        monkeypatch.setattr(ResultWaiters, "_read_outcome", note_wait)
        app = ms.App(tmp_path / "state.db", registry=REGISTRY)
        hook = w.intake.table.find("/result")
        longer = msgspec.structs.replace(hook.webhook, wait=timedelta(hours=1))
        w.intake.table._by_path["/result"] = hook._replace(webhook=longer)
        async with app.running(), asyncio.timeout(30):
            assert (await w.ask("/result", Request(b'{"n": 1}', TOKEN))).status == 202
            assert (await w.ask("/result", Request(b'{"n": 2}', TOKEN))).json["result"] == 4
        assert "cannot be reported to its sender" in caplog.text


async def test_store_that_was_abandoned_may_be_cancelled(tmp_path, monkeypatch, caplog):
    """What answers no one any more says nothing when it ends."""
    monkeypatch.setattr(webhook_asgi, "STORED_WITHIN_S", 0.01)
    async with world(tmp_path) as w:
        started, faults = [], []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))

        async def store(ready):
            started.append(asyncio.current_task())
            await asyncio.Event().wait()

        monkeypatch.setattr(w.intake.intake, "store", store)
        assert (await w.ask("/orders", ORDER)).status == 503
        started[0].cancel()
        await asyncio.wait(started)
        await asyncio.sleep(0)
        assert faults == []
        assert w.app.admission.inside == 0


async def test_secret_that_is_not_set_is_reported_in_the_log_once(tmp_path, caplog):
    """By how to set it; the sender hears 503, for it is not to blame."""
    async with world(tmp_path) as w:
        with caplog.at_level(logging.ERROR):
            for _ in range(5):
                assert (await w.ask("/unset", Request(b"{}", TOKEN))).headers["retry-after"] == "60"
        assert caplog.text.count("MAINSPRING_SECRET_NOT_SET") == 1


class NotedSecrets(EnvSecrets):
    """A provider on a server that notes the threads which wait for it."""

    def __init__(self, env):
        super().__init__(env)
        self.threads = set()

    def read(self, name):
        self.threads.add(threading.current_thread())
        return super().read(name)


async def test_loop_does_not_wait_for_a_provider_on_a_server(tmp_path):
    """In its outage each new read takes seconds, and all other requests would wait."""
    provider = NotedSecrets(ENV)
    async with world(tmp_path) as w:
        w.app = WebhookApp(w.intake, HooksSettings(), SecretStore([ProviderEntry(provider, is_local=False)]))
        assert (await w.ask("/orders", ORDER)).status == 202
    assert provider.threads
    assert threading.current_thread() not in provider.threads


async def test_sender_that_becomes_unreachable_is_not_answered(tmp_path):
    """And what it sent is forgotten."""
    async with world(tmp_path) as w:
        sent = []

        async def receive():
            return {"type": "http.disconnect"}

        async def send(message):
            sent.append(message)

        headers = [(name.encode(), value.encode()) for name, value in TOKEN.items()]
        scope = {"type": "http", "method": "POST", "path": "/orders", "raw_path": b"/orders", "headers": headers}
        await w.app(scope, receive, send)
        assert sent == []
        assert w.answers == {("order/webhook", "disconnected"): 1}
        assert w.app.admission.bytes == 0


async def test_webhook_that_this_process_cannot_read_is_reported_once_and_answered_503(tmp_path, monkeypatch, caplog):
    """It is there, only not for us: a sender that hears 404 may never come back. One that was read before continues as it was."""
    async with world(tmp_path) as w:

        def broken(path, name):
            row = next(
                trigger
                for trigger in build_announcement(REGISTRY, w.clock.now()).triggers
                if trigger.name == "order/webhook"
            )
            return msgspec.structs.replace(row, path=path, name=name, definition=b'{"source": 5}')

        command = build_announcement(REGISTRY, w.clock.now())
        rows = [trigger for trigger in command.triggers if trigger.name != "order/webhook"]
        rows += [broken("/orders", "order/webhook"), broken("/newer", "order/webhook#2")]
        await asyncio.to_thread(w.store.apply, msgspec.structs.replace(command, triggers=tuple(rows)))
        w.process.changed()
        async with asyncio.timeout(60):
            while (await w.ask("/newer", ORDER)).status == 404:
                await asyncio.sleep(0.01)
        answer = await w.ask("/newer", ORDER)
        assert (answer.status, answer.json["code"], answer.headers["retry-after"]) == (503, "unreadable", "60")
        assert (await w.ask("/orders", ORDER)).status == 202
        refreshes, real = [], TriggerCache.refresh
        monkeypatch.setattr(TriggerCache, "refresh", lambda known: refreshes.append(real(known)))
        async with asyncio.timeout(60):
            while len(refreshes) < 3:
                w.process.changed()
                await asyncio.sleep(0.01)
        assert caplog.text.count("'order/webhook#2' in the store cannot be read") == 1
        assert caplog.text.count("'order/webhook' in the store cannot be read") == 1


async def test_table_outage_after_a_recovery_is_reported_again(tmp_path, monkeypatch, caplog):
    """The same fault on another day is another fault."""
    async with world(tmp_path) as w:
        real, refreshes = TriggerCache.refresh, []

        def count_refresh(known):
            refreshes.append(known)
            if len(refreshes) % 2:
                raise ValueError("a row of another form")
            real(known)

        monkeypatch.setattr(TriggerCache, "refresh", count_refresh)
        async with asyncio.timeout(60):
            while len(refreshes) < 4:
                w.process.changed()
                await asyncio.sleep(0.01)
        assert caplog.text.count("known webhooks still work") == 2


@pytest.mark.parametrize(("padding", "in_thread"), [(0, False), (60_000, False), (70_000, True)])
async def test_only_a_large_body_is_prepared_in_a_thread(tmp_path, monkeypatch, padding, in_thread):
    """Once, and not again on its way to the store: a small one is done in less time than a thread takes."""
    made = []

    def spy(*of, **options):
        made.append(threading.current_thread() is not threading.main_thread())
        return prepare_delivery(*of, **options)

    monkeypatch.setattr(intake, "prepare_delivery", spy)
    async with world(tmp_path) as w:
        monkeypatch.setattr(intake, "decode_body", None)
        body = json.dumps({"id": "o-1", "lines": [], "note": "x" * padding}).encode()
        assert (await w.ask("/orders", Request(body, TOKEN))).status == 202
    assert made == [in_thread]


async def test_failed_codec_refuses_no_sender(tmp_path, monkeypatch, caplog):
    """503, and the same again is accepted; nothing is kept as refused."""
    async with world(tmp_path) as w:

        def broken(*of, **options):
            raise SealedError("the key server is away")

        monkeypatch.setattr(intake, "prepare_delivery", broken)
        answer = await w.ask("/orders", ORDER)
        assert (answer.status, answer.json["code"], answer.headers["retry-after"]) == (503, "store_unreachable", "5")
        assert "key server" not in answer.body.decode()
        assert "the key server is away" in caplog.text
        monkeypatch.undo()
        assert (await w.ask("/orders", ORDER)).status == 202
        assert w.rows("select state from deliveries") == [("started",)]
