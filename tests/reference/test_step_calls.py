"""Examples of the reference: what a running step may ask for."""

import pytest

import mainspring as ms
from tests.reference.documented import documents


@documents("attempt", "idempotency_key", "Transient")
def test_attempt(app):
    """Each attempt has a number. The key is the same in all of them: pass it to the target, which then acts once."""
    keys = []

    @ms.task(retry=ms.Retry(attempts=3, initial="1ms"))
    def charge(order: int) -> int:
        keys.append(ms.idempotency_key())
        if ms.attempt() == 1:
            raise ms.Transient("the bank is busy", retry_after="1ms")
        return ms.attempt()

    assert app.run(charge, 7) == 2
    assert keys[0] == keys[1]


@documents("heartbeat")
def test_heartbeat(app):
    """Show that a step still works. Without a sign for a minute, the attempt is over and the next one begins."""

    @ms.task(heartbeat="1m", isolate="thread")
    def convert(frames: int) -> int:
        for _ in range(frames):
            ms.heartbeat()
        return frames

    assert app.run(convert, 3) == 3


@documents("stream", "StreamWriter", "StreamWriter.write", "StreamWriter.flush")
def test_stream(app):
    """Write records that others read while the step works. `flush` waits until they are committed."""

    @ms.task
    def answer(question: str) -> int:
        tokens = ms.stream("tokens")
        for word in question.split():
            tokens.write(word)
        tokens.flush()
        return len(question.split())

    assert app.run(answer, "how are you") == 3


@documents("checkpoint", "last_checkpoint", "progress")
def test_checkpoint(app):
    """Continue a long step from where the last attempt was."""
    written = []

    @ms.task(retry=ms.Retry(attempts=2, initial="1ms"))
    def load() -> int:
        first = ms.last_checkpoint(int) or 0
        for row in range(first, 4):
            if row == 2 and ms.attempt() == 1:
                raise ms.Transient("the connection broke")
            written.append(row)
            ms.checkpoint(row + 1)
            ms.progress(row + 1, 4)
        return first

    assert app.run(load) == 2
    assert written == [0, 1, 2, 3]


@documents("log", "log.debug", "log.info", "log.warning", "log.error", "Handle.logs")
@pytest.mark.asyncio
async def test_log(app):
    """Lines of a step, with fields; `mainspring runs logs RUN` shows them."""

    @ms.task
    def copy(path: str) -> None:
        ms.log.info("copied", path=path, size=31)
        ms.log.warning("the folder is almost full")
        ms.log.error("the copy is damaged", path=path)
        ms.log.debug("shown only on request")

    async with app.running():
        handle = await app.start(copy, "a.csv")
        await handle.result()
        lines = {line.text: line.level for line in await handle.logs()}
        assert lines["the folder is almost full"] == "warning"


@documents("measure")
@pytest.mark.usefixtures("measured")
def test_measure(app):
    """Measure a number that two versions can be compared by."""

    @ms.task
    def load(rows: int) -> None:
        ms.measure("rows", rows)

    app.run(load, 31)


@documents("publish")
@pytest.mark.asyncio
async def test_publish(app):
    """Publish an event in the commit of the step, or not at all."""

    @ms.task
    def charge(order: int) -> None:
        ms.publish("payment.settled", {"order": order}, key=f"order:{order}")

    @ms.workflow
    async def ship(run: ms.Run, order: int) -> int:
        return (await run.event("payment.settled", where={"order": order})).order

    async with app.running():
        handle = await app.start(ship, 7)
        await app.start(charge, 7)
        assert await handle.result() == 7


@documents("send")
def test_send(app):
    """Send a message to a broker once the step is committed."""

    @ms.task
    def charge(order: int) -> str:
        return ms.send("nats://localhost:4222/ORDERS?subject=orders.paid", {"order": order}, headers={"source": "shop"})

    assert app.run(charge, 7)  # the id of the message: the outbox sends it


@documents("once")
def test_once(app):
    """Perform an effect once for its key, whichever step or program requests it."""
    sent = []

    def send_invoice(number: int) -> str:
        sent.append(number)
        return f"mail {number}"

    @ms.task
    def bill(number: int) -> str:
        return ms.once(f"invoice:{number}", send_invoice, number)

    assert app.run(bill, 7) == "mail 7"
    assert app.run(bill, 7) == "mail 7"
    assert sent == [7]


@documents("Effect", "Effect.needed", "Effect.done", "Effect.result", "Effect.idempotency_key", "Effect.is_suppressed")
def test_effect(app):
    """The block form of `ms.once`: perform the effect if it is needed, then report its result."""

    @ms.task
    def bill(number: int, cents: int) -> str:
        with ms.once(f"invoice:{number}", within="1h", identity=cents) as effect:
            if effect.needed:
                effect.done(f"mail {number} ({len(effect.idempotency_key) > 0})")
        return "suppressed" if effect.is_suppressed else effect.result

    assert app.run(bill, 7, 900) == "mail 7 (True)"
    assert app.run(bill, 7, 900) == "mail 7 (True)"
    assert app.run(bill, 7, 901) == "suppressed"


@documents("lock", "NamedLock", "NamedLock.token", "NamedLock.slot", "NamedLock.is_lost")
def test_lock(app):
    """Let one owner at a time use a thing, across all machines of a store; the token lets the target refuse an older owner."""

    @ms.task
    def deploy(host: str) -> list[object]:
        with ms.lock(f"deploy:{host}", within="10m") as lock:
            return [lock.name, lock.token > 0, lock.slot, lock.is_lost]

    assert app.run(deploy, "web1") == ["deploy:web1", True, 1, False]


@documents("flag", "flag_async")
def test_flag(app):
    """Read the value of a flag for a key, in a `def` and in an `async def` step."""

    @ms.task
    def choose_model(customer: str) -> str:
        return ms.flag("model", by=customer, default="v1", attributes={"plan": "pro"})

    @ms.task
    async def choose_batch(customer: str) -> int:
        return await ms.flag_async("batch", by=customer, default=100)

    assert app.run(choose_model, "ana") == "v1"
    assert app.run(choose_batch, "ana") == 100


@documents("secret", "Secret", "Secret.reveal", "Secret.refresh", "Secret.matches")
def test_secret(app):
    """Name a secret, and read its value in the moment of use."""

    @ms.task(secrets=["STRIPE"])
    def charge() -> list[object]:
        secret = ms.secret("STRIPE")
        headers = {"Authorization": f"Bearer {secret.reveal()}"}
        is_rotated = secret.refresh()  # after the target refused the value
        return [secret.name, repr(secret), len(headers), is_rotated, secret.matches("guess")]

    assert app.run(charge) == ["STRIPE", "<secret 'STRIPE'>", 1, False, False]


@documents("Tx", "Tx.execute", "Tx.executemany", "Tx.last_rowid", "Tx.connection")
def test_tx(app):
    """Write to a database of your own exactly once: the rows and the result are one commit there."""

    @ms.task(delivery="transactional")
    def pay(tx: ms.Tx, orders: list[int]) -> list[int]:
        tx.execute("create table payments (id integer primary key, invoice int)")
        tx.executemany("insert into payments (invoice) values (?)", [(number,) for number in orders])
        assert tx.connection.in_transaction
        return [tx.last_rowid, *(row[0] for row in tx.execute("select invoice from payments where invoice > ?", (7,)))]

    assert app.run(pay, [7, 8]) == [2, 8]
