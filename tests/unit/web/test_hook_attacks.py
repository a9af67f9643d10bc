"""What strangers send to a public listener: over real connections, and each time it continues answering who is genuine."""

import asyncio
import contextlib
import gc
import gzip
import tracemalloc
from contextlib import asynccontextmanager

import pytest

from mainspring.alerting.inputs.facts import FactsReader
from mainspring.domain.incidents.incident import IncidentKind
from mainspring.domain.monitors.messaging.rejected_sender import SETTLE_TIME_MS
from mainspring.domain.monitors.registry import DEFAULT_TUNINGS, evaluate_all
from mainspring.web.server.allowed_hosts import AllowedHosts
from mainspring.web.webhooks import webhook_asgi
from mainspring.web.webhooks.request_counts import OTHER_TRIGGER, WebhookCounts
from tests.hook_samples import SECRET, Request, signed
from tests.hook_world import JSON, TOKEN, world

pytestmark = pytest.mark.asyncio
HEAD = f"POST /orders HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nAuthorization: Bearer {SECRET}\r\n"
GENUINE = b'{"id": "genuine"}'


@asynccontextmanager
async def connection(port):
    """One connection of a sender."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def send_bytes(port, data):
    """Return (status, all of the answer) to bytes; status 0 where the connection is closed without a word."""
    async with connection(port) as (reader, writer), asyncio.timeout(60):
        writer.write(data)
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return 0, b""
        return int(head.split()[1]), head


def post(body=GENUINE, head=HEAD):
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def is_connected(port):
    """Whether a genuine sender is answered."""
    return (await send_bytes(port, post()))[0] == 202


async def test_chunked_body_is_read_and_bounded(tmp_path):
    """As long as it is within its limit; one that never ends is cut off there."""
    async with world(tmp_path, max_body=5_000) as w, w.listening() as port:
        chunks = b"".join(b"%x\r\n%b\r\n" % (1, GENUINE[n : n + 1]) for n in range(len(GENUINE)))
        assert (await send_bytes(port, f"{HEAD}Transfer-Encoding: chunked\r\n\r\n".encode() + chunks + b"0\r\n\r\n"))[
            0
        ] == 202
        endless = f"{HEAD}Transfer-Encoding: chunked\r\n\r\n".encode() + b"400\r\n" * 1 + b"x" * 1024 + b"\r\n"
        assert (await send_bytes(port, endless + (b"400\r\n" + b"x" * 1024 + b"\r\n") * 9))[0] == 413
        assert await is_connected(port)
        assert w.rows("select count(*) from runs") == [(1,)]


ODD = [
    HEAD.encode() + b'Content-Length: 17\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"id"\r\n0\r\n\r\n',
    HEAD.encode() + b"Content-Length: 17\r\nContent-Length: 18\r\n\r\n" + GENUINE,
    HEAD.encode() + b"Content-Length: +17\r\n\r\n" + GENUINE,
    HEAD.encode() + b"Content-Length: -1\r\n\r\n" + GENUINE,
    HEAD.encode() + b"Content-Length: 0x11\r\n\r\n" + GENUINE,
    HEAD.encode() + b"Content-Length: " + b"9" * 5_000 + b"\r\n\r\n",
    HEAD.encode() + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    HEAD.encode() + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    HEAD.encode() + b"X-Split: a\r\n b\r\n: empty\r\n\r\n",
    HEAD.encode() + b"X Bad: 1\r\n\r\n",
    HEAD.encode() + b"X-Nul: \x00\r\n\r\n",
    b"GET\r\n\r\n",
    b"POST /orders HTTP/9.9\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\r\n" * 100,
    HEAD.encode() + b"X-Long: " + b"x" * 40_000 + b"\r\n\r\n",
    HEAD.encode() + b"X-A: 1\r\n" * 200 + b"Content-Length: 17\r\n\r\n" + GENUINE,
]  # fmt: skip


async def test_request_that_could_be_read_in_two_ways_is_refused(tmp_path):
    """Lengths that disagree, heads that are none, other protocols, headers without end: 4xx or closed, never stored."""
    async with world(tmp_path) as w, w.listening() as port:
        for data in ODD:
            status, _ = await send_bytes(port, data + b"\r\n" * 2)
            assert status in (0, 400, 401, 404, 413, 431, 501), data
            assert w.rows("select count(*) from deliveries where state = 'started'") == [(0,)], data
        assert await is_connected(port)


async def test_headers_that_are_too_long_are_reported(tmp_path):
    """With 431, not as something that is no HTTP."""
    async with world(tmp_path) as w, w.listening() as port:
        for size, expected in ((30_000, 202), (40_000, 431), (60_000, 431)):
            assert (await send_bytes(port, post(head=f"{HEAD}X-Long: {'x' * size}\r\n")))[0] == expected, size


async def test_request_behind_one_that_was_refused_is_not_read(tmp_path):
    """What stands in an unread body is never taken for a request of its own."""
    async with world(tmp_path, max_body=1_000) as w, w.listening() as port:
        hidden = post(b'{"id": "hidden"}')
        for refused in (
            f"{HEAD}Content-Length: 100000\r\n\r\n".encode(),
            b"POST /nothing HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n",
            b"POST /orders HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n",
        ):
            async with connection(port) as (reader, writer), asyncio.timeout(60):
                writer.write(refused + hidden)
                answers = await reader.read()
            assert answers.count(b"HTTP/1.1") == 1
        assert w.rows("select count(*) from runs") == [(0,)]


async def test_requests_one_after_the_other_on_one_connection_are_each_answered(tmp_path):
    """Pipelined ones too, in their order."""
    async with world(tmp_path) as w, w.listening() as port:
        async with connection(port) as (reader, writer), asyncio.timeout(60):
            writer.write(b"".join(post(b'{"id": "%d"}' % n) for n in range(20)))
            for _ in range(20):
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
                assert head.startswith(b"HTTP/1.1 202")
                await reader.readexactly(length)
        assert w.rows("select count(*) from runs") == [(20,)]


async def test_slow_senders_hold_no_place(tmp_path, monkeypatch):
    """Heads and bodies that do not end are abandoned in time, with 408 where the head was whole; meanwhile others are accepted."""
    monkeypatch.setattr("mainspring.web.server.connection.HEAD_WITHIN_S", 3)
    monkeypatch.setattr(webhook_asgi, "BODY_WITHIN_S", 3)
    async with world(tmp_path, at_once=1) as w, w.listening() as port:
        starts = [b"", b"POST /or", HEAD.encode(), f"{HEAD}Content-Length: 17\r\n\r\n".encode() + GENUINE[:-1]]
        waiting = [asyncio.create_task(send_bytes(port, start)) for start in starts * 10]
        async with asyncio.timeout(60):
            while w.app.admission.bytes < 10 * (len(GENUINE) - 1):
                await asyncio.sleep(0.005)
        assert w.app.admission.inside == 0
        assert await is_connected(port)
        assert [status for status, _ in await asyncio.gather(*waiting)] == [0, 0, 0, 408] * 10
        assert w.app.admission.bytes == 0
        assert await is_connected(port)


async def test_head_that_drips_is_abandoned_although_bytes_come(tmp_path, monkeypatch):
    """A byte now and then does not prolong it, on a new connection and on one that was used before."""
    monkeypatch.setattr("mainspring.web.server.connection.HEAD_WITHIN_S", 1.0)
    async with world(tmp_path) as w, w.listening() as port:
        for before in (b"", post()):
            async with connection(port) as (reader, writer), asyncio.timeout(60):
                writer.write(before)
                if before:
                    await reader.readuntil(b"}")
                closed = asyncio.create_task(reader.read())
                drops = iter(HEAD.encode() * 10)
                while not closed.done():
                    writer.write(bytes([next(drops)]))
                    await asyncio.sleep(0.02)
                # A byte that was on its way when it was closed has the line reset.
                with contextlib.suppress(ConnectionResetError):
                    assert await closed == b""


async def test_newest_connection_is_let_in_where_there_are_too_many(tmp_path, monkeypatch):
    """The oldest that asks for nothing gives way; one that is being answered does not."""
    async with world(tmp_path) as w, w.listening(most=20) as port:
        may_continue = asyncio.Event()
        real = w.intake.intake.store

        async def slow(ready):
            await may_continue.wait()
            return await real(ready)

        monkeypatch.setattr(w.intake.intake, "store", slow)
        first = asyncio.create_task(send_bytes(port, post()))
        async with asyncio.timeout(60):
            while not w.app.admission.inside:
                await asyncio.sleep(0.005)
        idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(60)]
        for reader, _ in idle[:30]:
            async with asyncio.timeout(60):
                assert await reader.read() == b""
        monkeypatch.setattr(w.intake.intake, "store", real)
        assert await is_connected(port)
        may_continue.set()
        assert (await first)[0] == 202
        for _, writer in idle:
            writer.close()


async def test_bytes_of_bodies_are_bounded_together(tmp_path):
    """Many large bodies at once are asked to come back before they fill the memory."""
    async with world(tmp_path, max_body=1_000_000, limit=1_000_000) as w, w.listening() as port:
        w.app.admission._most_bytes = 2_500_000
        started = []
        for _ in range(4):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(f"{HEAD}Content-Length: 900000\r\n\r\n".encode() + b"x" * 800_000)
            started.append((reader, writer))
        async with asyncio.timeout(60):
            done, _ = await asyncio.wait(
                [asyncio.create_task(reader.readuntil(b"\r\n")) for reader, _ in started],
                return_when=asyncio.FIRST_COMPLETED,
            )
        assert [task.result() for task in done] == [b"HTTP/1.1 503 Service Unavailable\r\n"]
        assert w.app.admission.bytes <= 2_500_000
        for _, writer in started:
            writer.close()
        async with asyncio.timeout(60):
            while w.app.admission.bytes:
                await asyncio.sleep(0.005)
        assert await is_connected(port)


async def test_ten_thousand_junk_requests_leave_nothing_behind(tmp_path):
    """Neither memory nor rows grow with them: at most a hundred of a trigger are kept for people, and a few a second."""
    async with world(tmp_path) as w:
        junk = [
            ("/orders", Request(b"\x00\xff" * 500, JSON | {"authorization": "Bearer junk"})),
            ("/github", Request(b"{}", JSON | {"x-hub-signature-256": "sha256=" + "0" * 64, "x-junk": "j" * 1_000})),
            ("/open", Request(b"[" * 1_000, JSON)),
        ]

        async def send(count, start):
            for n in range(start, start + count, 4):
                await w.ask(f"/made-up-{n}", Request(b"x" * 100, {}))
                for path, (body, headers) in junk:
                    await w.ask(path, Request(body + b"%d" % n, headers | {"idempotency-key": str(n)}))
                if not n % 80:
                    await asyncio.sleep(0)

        await send(8_000, 0)
        gc.collect()
        tracemalloc.start()
        await send(2_000, 8_000)
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        assert grown < 200_000, grown
        assert len(w.answers) == 4
        assert sum(w.answers.values()) == 10_000
        assert w.rows("select count(*) from runs") == [(0,)]
        counts = w.rows("select trigger, count(*) from deliveries group by trigger")
        assert counts
        assert max(count for _, count in counts) <= 100
        assert w.app.admission.bytes == w.app.admission.inside == 0
        assert (await w.ask("/orders", Request(GENUINE, TOKEN))).status == 202


async def test_flood_of_refusals_is_no_flood_of_commits():
    """A few at once and two a second of one trigger; a few more of all together."""
    counts = WebhookCounts()
    assert sum(counts.may_keep("a/webhook", 0.0) for _ in range(1_000)) == 10
    assert sum(counts.may_keep("a/webhook", n / 100) for n in range(1_000)) in range(18, 22)
    assert sum(counts.may_keep(f"t{n}/webhook", 10.0) for n in range(1_000)) <= 20
    for trigger in (OTHER_TRIGGER, "t1/webhook", "t2/webhook"):
        counts.count(trigger, "accepted")
    counts.retain({"t1/webhook"})
    assert set(counts._buckets) == {("t1/webhook", "")}
    assert set(counts.answers) == {(OTHER_TRIGGER, "accepted"), ("t1/webhook", "accepted")}


async def test_sender_that_posts_everything_at_once_with_a_wrong_signature_is_an_incident(tmp_path):
    """Once a night all of it within a second: what is kept of the burst is enough for the monitor of rejected senders."""
    async with world(tmp_path) as w:
        assert (await w.ask("/orders", Request(GENUINE, TOKEN))).status == 202
        forged = Request(GENUINE, TOKEN | {"authorization": "Bearer changed"})
        assert {answer.status for answer in await asyncio.gather(*(w.ask("/orders", forged) for _ in range(20)))} == {
            401
        }
        while w.intake._recordings:
            await asyncio.gather(*w.intake._recordings)
        w.clock.ahead += SETTLE_TIME_MS
        found = evaluate_all(FactsReader(w.store.reader).read(w.clock.now()), DEFAULT_TUNINGS, w.clock.now()).findings
        assert [
            finding.subject.automation for finding in found if finding.subject.kind is IncidentKind.SENDER_REJECTED
        ] == ["order"]


async def test_compressed_body_is_never_unpacked(tmp_path):
    """A bomb of a few bytes is refused by its header, before it is read."""
    async with world(tmp_path) as w, w.listening() as port:
        bomb = gzip.compress(bytes(10_000_000))
        for coding in ("gzip", "deflate", "br", "identity, gzip"):
            assert (await send_bytes(port, post(bomb, HEAD + f"Content-Encoding: {coding}\r\n")))[0] == 415
        assert await is_connected(port)


async def test_repeated_headers_give_no_access(tmp_path):
    """Two signatures in two headers are not two tries, and the first of two tokens does not count."""
    async with world(tmp_path) as w, w.listening() as port:
        twice = HEAD + "Authorization: Bearer wrong\r\n"
        assert (await send_bytes(port, post(head=twice)))[0] == 401
        request = signed("github", Request(GENUINE, {}))
        head = "POST /github HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
        bad_signature = f"X-Hub-Signature-256: sha256={'0' * 64}\r\n"
        right = f"X-Hub-Signature-256: {request.headers['x-hub-signature-256']}\r\n"
        assert (await send_bytes(port, post(head=head + bad_signature + right)))[0] == 401
        assert (await send_bytes(port, post(head=head + right)))[0] == 202


async def test_header_cannot_write_headers_of_an_answer(tmp_path):
    """Nothing of a request is put into an answer's head."""
    async with world(tmp_path) as w, w.listening() as port:
        _, head = await send_bytes(port, post(head=HEAD + "X-A: b%0d%0aSet-Cookie: x\r\n"))
        assert b"set-cookie" not in head.lower()
        assert b"server:" not in head.lower()


async def test_unverified_webhook_is_not_called_by_the_name_of_another_site(tmp_path):
    """DNS rebinding: a page whose name was pointed at loopback could start runs; a webhook that verifies its sender needs no such check."""
    async with world(tmp_path) as w:
        w.app._hosts = AllowedHosts("127.0.0.1:7172", "https://hooks.example.com", (), is_loopback=True)
        for host, status in (("127.0.0.1:7172", 202), ("hooks.example.com", 202), ("evil.example:7172", 403)):
            found = await w.ask("/open", Request(b'{"a": "%b"}' % host.encode(), JSON | {"host": host}))
            assert found.status == status, host
        assert (await w.ask("/orders", Request(GENUINE, TOKEN | {"host": "evil.example"}))).status == 202
