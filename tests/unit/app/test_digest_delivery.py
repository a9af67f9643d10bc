"""Early signs on their way to people, through settings, store, watcher and Notifier as they are put together."""

from datetime import UTC, datetime, timedelta

from mainspring.app.alerting.watcher import evaluate_and_notify
from mainspring.config import load
from mainspring.store.commands.automations import AnnounceDefinitions, AutomationRow, PauseAutomation
from mainspring.store.sqlite.store import SqliteStore
from mainspring.testing.clock import FakeClock


def test_digest_is_reported_once_at_its_time(tmp_path, capsys):
    """Nothing before its time, then one message with what it says, and no other that day."""
    (tmp_path / "mainspring.toml").write_text(
        '[project]\ntimezone = "UTC"\n[store]\nurl = "state.db"\n[notify]\ndigest = "12:00"\n[notify.channels]\nme = "terminal"\n'
    )
    settings = load(env={"HOME": str(tmp_path)}, cwd=tmp_path, uid=1000)
    clock = FakeClock(datetime(2026, 1, 6, 12, tzinfo=UTC))
    store = SqliteStore(settings.store.path, clock=clock)
    store.open()
    store.open_session("watch")
    try:
        store.apply(
            AnnounceDefinitions(
                "code", (AutomationRow("backup", "task", 1, "f", b'{"kind":"task","name":"backup"}'),), ()
            )
        )
        store.apply(PauseAutomation("backup", None, "ann", None))
        evaluate_and_notify(settings, store, within_s=5.0)
        assert capsys.readouterr().err == ""
        clock.advance(timedelta(days=2))
        for _ in range(2):
            evaluate_and_notify(settings, store, within_s=5.0)
        printed = capsys.readouterr().err
    finally:
        store.close()
    assert printed.count("[digest] 1 incident or warning to check when you have time") == 1
    assert "Paused long  backup: for 2d by ann" in printed
