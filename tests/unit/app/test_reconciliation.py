"""The ledger compared with a target: what is there and not on record, what is on record and not there, and what no check can tell."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import mainspring as ms
from mainspring.app.reconciliation import (
    RECONCILED_KEY,
    DailyReconciliation,
    list_checked_actions,
    reconcile,
)
from mainspring.domain.clock import SystemClock
from mainspring.domain.errors import StoreUnavailableError
from mainspring.domain.states import EffectState
from mainspring.domain.values.sealing import PLAIN_SEALING
from mainspring.engine.definitions.registry import Registry
from mainspring.resources.known_secrets import KnownSecrets
from mainspring.service.actor import Actor, operation_context
from mainspring.service.effect import forget_effect
from mainspring.store.commands.automations import SetMeta
from mainspring.store.process_store import ProcessStore
from mainspring.store.read.audit_pages import AuditFilter, audit_page
from mainspring.store.read.effects import EffectFilter, list_effects, read_effect
from mainspring.store.read.status.status import meta
from mainspring.testing import FakeClock

TICKETS: dict[int, str] = {}
"""The target."""
CHECKED: list[int] = []
DURING_CHECK: list[Callable[[], None]] = []
"""Calls that the next check makes."""


def find_ticket(alert: int, *, urgent: bool = False) -> str | None:
    CHECKED.append(alert)
    if alert == 13 or alert >= 100:
        raise ConnectionError("the target is away")
    reply = TICKETS.get(alert)
    while DURING_CHECK:
        DURING_CHECK.pop()()
    return reply


async def has_page(alert: int) -> bool:
    return alert in TICKETS


@ms.action(once="ticket:{alert}", check=find_ticket)
def open_ticket(alert: int, *, urgent: bool = False) -> str:
    TICKETS[alert] = f"T-{alert}"
    if urgent:
        raise TimeoutError("no reply")
    return TICKETS[alert]


@ms.action(once="page:{alert}", check=has_page, within="1h")
async def page_someone(alert: int) -> None:
    TICKETS[alert] = ""


@ms.action(once="mail:{alert}", keyed=True)
def send_mail(alert: int) -> None:
    """Nothing can be asked."""


async def handle(run: ms.Run, alert: int, urgent: bool = False) -> None:
    await run.step(page_someone, alert)
    await run.step(send_mail, alert)
    await run.options(retry=ms.Retry(attempts=1)).step(open_ticket, alert, urgent=urgent)


@pytest.fixture
def app(tmp_path: Path) -> ms.App:
    TICKETS.clear()
    CHECKED.clear()
    DURING_CHECK.clear()
    with Registry() as registry:
        ms.workflow(name="handle")(handle)
    return ms.App(tmp_path / "store.db", registry=registry)


def compare(app: ms.App, since_at: int = 0) -> Any:
    """Compare all effects now."""
    store, clock = app.open_store(), SystemClock()
    act = operation_context(Actor("cli", "ann@box"), clock)
    return reconcile(store, list_checked_actions(app.registry), PLAIN_SEALING, clock, since_at, act)


def states(app: ms.App) -> dict[str, EffectState]:
    return {effect.key: effect.state for effect in list_effects(app.open_store().reader, EffectFilter()).effects}


def test_missing_effect_is_in_doubt_and_a_decision_counts(app: ms.App) -> None:
    """What is there stays done; a person who decides is not asked again."""
    for alert in (1, 2):
        app.run("handle", alert)
    assert compare(app) == compare(app)
    del TICKETS[2]
    result = compare(app)
    assert (result.checked, result.missing, result.confirmed, result.failed) == (4, ["ticket:2", "page:2"], [], {})
    assert states(app) == {
        "ticket:1": "done", "page:1": "done", "mail:1": "done",
        "ticket:2": "in_doubt", "page:2": "in_doubt", "mail:2": "done",
    }  # fmt: skip
    missing = read_effect(app.open_store().reader, "ticket:2")
    assert missing is not None
    assert missing.note == "it was on record as done, and its check= did not find it at the target"


def test_missing_effect_is_performed_again_only_after_a_person_forgets_it(app: ms.App) -> None:
    """The call that finds it in doubt would ask by the same check=, which may be wrong about effects that happened."""
    app.run("handle", 1)
    TICKETS.clear()
    assert "ticket:1" in compare(app).missing
    with pytest.raises(ms.RunFailed, match="may or may not have happened"):
        app.run("handle", 1)
    assert TICKETS == {}
    for key in ("ticket:1", "page:1"):
        forget_effect(app.open_store(), key, act=operation_context(Actor("cli", "ann@box"), SystemClock()))
    app.run("handle", 1)
    assert TICKETS == {1: "T-1"}


def test_effect_of_unknown_outcome_that_is_there_becomes_done(app: ms.App) -> None:
    """With the result of its check; the next call returns it."""
    with pytest.raises(ms.RunFailed):
        app.run("handle", 3, urgent=True)
    assert states(app)["ticket:3"] is EffectState.UNKNOWN
    assert compare(app).confirmed == ["ticket:3"]
    done = read_effect(app.open_store().reader, "ticket:3")
    assert done is not None
    assert (done.state, done.result, done.decided_by) == (EffectState.DONE, b'"T-3"', None)
    entries = audit_page(app.open_store().reader, AuditFilter(subject="effect:ticket:3")).rows
    assert [(entry.verb, entry.actor) for entry in entries] == [("confirm", "cli:ann@box")]
    del TICKETS[3]
    assert compare(app).missing == ["ticket:3", "page:3"]


def test_reply_counts_only_for_the_effect_that_was_checked(app: ms.App) -> None:
    """A person forgets the effect during its check, and the next one has an unknown outcome too."""
    with pytest.raises(ms.RunFailed):
        app.run("handle", 3, urgent=True)

    def begin_again() -> None:
        forget_effect(app.open_store(), "ticket:3", act=operation_context(Actor("cli", "ann@box"), SystemClock()))
        with pytest.raises(ms.RunFailed):
            app.run("handle", 3, urgent=True)

    DURING_CHECK.append(begin_again)
    result = compare(app)
    assert (result.confirmed, result.failed) == ([], {})
    assert states(app)["ticket:3"] is EffectState.UNKNOWN


def test_effect_with_a_hidden_secret_in_its_arguments_is_not_checked(
    app: ms.App, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its check would be called with the stored arguments, which are not those of the call."""
    secrets = KnownSecrets()
    secrets.add(["sk_live_51H8xyz"])
    monkeypatch.setattr("mainspring.resources.effects.KNOWN_SECRETS", secrets)

    @ms.action(once="key:{alert}", check=lambda alert, key: None)
    def store_key(alert: int, key: str) -> None:
        """Store a key at the target."""

    @ms.task
    def store() -> None:
        store_key(7, "sk_live_51H8xyz")

    app.run(store)
    clock = SystemClock()
    act = operation_context(Actor("cli", "ann@box"), clock)
    assert reconcile(app.open_store(), [store_key], PLAIN_SEALING, clock, 0, act).missing == []
    effect = read_effect(app.open_store().reader, "key:7")
    assert effect is not None
    assert effect.identity == b'{"alert":7,"key":"***"}'


def test_reply_that_is_no_result_of_the_action_settles_nothing(app: ms.App) -> None:
    """Otherwise each later call would fail at the saved result."""
    with pytest.raises(ms.RunFailed):
        app.run("handle", 3, urgent=True)
    TICKETS[3] = 3  # type: ignore[assignment]
    assert list(compare(app).failed) == ["ticket:3"]
    assert states(app)["ticket:3"] is EffectState.UNKNOWN


def test_comparison_ends_with_its_store(app: ms.App) -> None:
    """A worker that shuts down asks no target about the other effects."""
    for alert in (1, 2):
        app.run("handle", alert)
    TICKETS.clear()
    store, clock = app.open_store(), SystemClock()
    DURING_CHECK.append(store.close)
    act = operation_context(Actor("cli", "ann@box"), clock)
    with pytest.raises(StoreUnavailableError):
        reconcile(store, list_checked_actions(app.registry), PLAIN_SEALING, clock, 0, act)
    assert CHECKED == [2]


def test_check_that_fails_stops_no_other(app: ms.App) -> None:
    """It is named; its effect stays as it was."""
    for alert in (13, 14):
        app.run("handle", alert)
    del TICKETS[14]
    result = compare(app)
    assert result.failed == {"ticket:13": "ConnectionError: the target is away"}
    assert result.missing == ["ticket:14", "page:14"]
    assert states(app)["ticket:13"] is EffectState.DONE


def test_effects_that_are_older_or_whose_window_is_over_are_not_compared(
    app: ms.App, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new effect may follow then, so that the old one decides nothing."""
    app.run("handle", 1)
    TICKETS.clear()
    now = SystemClock().now()
    assert compare(app, since_at=now + 1).checked == 0
    monkeypatch.setattr(SystemClock, "now", lambda _: now + 2 * 3_600_000)
    assert compare(app).missing == ["ticket:1"]


def open_again(app: ms.App) -> ProcessStore:
    """Open the store as another process does."""
    return ms.App(app.place, registry=app.registry).open_store()


def compare_daily(app: ms.App, store: ProcessStore, clock: FakeClock) -> None:
    """Let a worker compare if it is due, and wait for its end. The first worker of the store began a day ago."""
    if meta(store.reader, RECONCILED_KEY) is None:
        store.apply(SetMeta(RECONCILED_KEY, str(clock.now() - 86_400_000)))
    DailyReconciliation(app.registry, PLAIN_SEALING, clock).run_if_due(store)
    threads = [thread for thread in threading.enumerate() if thread.name == "mainspring-reconcile"]
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()


def test_first_day_of_a_store_ends_before_the_first_comparison(app: ms.App) -> None:
    """Right after its start a worker has nothing of an earlier day to compare."""
    app.run("handle", 1)
    store, clock = app.open_store(), FakeClock(datetime.now(UTC))
    DailyReconciliation(app.registry, PLAIN_SEALING, clock).run_if_due(store)
    clock.advance(timedelta(hours=23))
    compare_daily(app, store, clock)
    assert CHECKED == []
    clock.advance(timedelta(hours=1))
    compare_daily(app, store, clock)
    assert CHECKED == [1]


def test_one_worker_compares_once_a_day(app: ms.App, caplog: pytest.LogCaptureFixture) -> None:
    """The store has its instant, so that another worker does not; each missing effect is a line of the log."""
    app.run("handle", 1)
    TICKETS.clear()
    store, clock = app.open_store(), FakeClock(datetime.now(UTC))
    compare_daily(app, store, clock)
    assert "effect ticket:1 is on record as done, and its target does not have it" in caplog.messages
    assert (states(app)["ticket:1"], CHECKED) == (EffectState.IN_DOUBT, [1])
    clock.advance(timedelta(hours=23))
    compare_daily(app, store, clock)
    assert CHECKED == [1]
    clock.advance(timedelta(hours=1))
    compare_daily(app, store, clock)
    assert CHECKED == [1, 1]


def test_workers_that_start_together_compare_once(app: ms.App) -> None:
    """The others find the lock held, and later that it is not due."""
    app.run("handle", 1)
    first, second, clock = app.open_store(), open_again(app), FakeClock(datetime.now(UTC))
    first.open_session("worker")
    second.open_session("worker")
    DURING_CHECK.append(lambda: DailyReconciliation(app.registry, PLAIN_SEALING, clock).run_if_due(second))
    compare_daily(app, first, clock)
    compare_daily(app, second, clock)
    assert CHECKED == [1]


def test_comparison_of_a_worker_that_ends_half_way_is_repeated(app: ms.App, caplog: pytest.LogCaptureFixture) -> None:
    """Its lock ended with its session."""
    app.run("handle", 1)
    first, second, clock = app.open_store(), open_again(app), FakeClock(datetime.now(UTC))
    first.open_session("worker")
    DURING_CHECK.append(first.close)
    compare_daily(app, first, clock)
    assert any("ended early: the store is not open" in message for message in caplog.messages)
    compare_daily(app, second, clock)
    assert CHECKED == [1, 1]


def test_log_of_a_target_that_is_away_is_short(app: ms.App, caplog: pytest.LogCaptureFixture) -> None:
    """One line for each of the first effects, and the number of the others."""
    for alert in range(100, 122):
        app.run("handle", alert)
    compare_daily(app, app.open_store(), FakeClock(datetime.now(UTC)))
    lines = [record.message for record in caplog.records if record.name == "mainspring.effects"]
    assert len(lines) == 21, lines
    assert lines[-1].startswith("2 more effects are missing or could not be checked")
