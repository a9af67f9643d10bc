"""Retention of backups: the plan is a pure function, and the last intact backup is never removed."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.actions import backup
from mainspring.actions.backup.retention import choose_retained
from mainspring.domain.errors import OptionError, UnknownNameError
from tests.unit.actions.backup.test_sqlite_backup import make_database

START = datetime(2026, 1, 1, tzinfo=UTC)
instants = st.lists(st.integers(0, 900 * 24).map(lambda hours: START + timedelta(hours=hours)), min_size=1, max_size=60)
numbers = st.integers(0, 20)


@given(instants, numbers, numbers, numbers)
def test_plan_keeps_what_it_promises(created, daily, weekly, monthly):
    """Bounded, stable when repeated, and the newest stays if any number is above 0."""
    retained = choose_retained(created, daily=daily, weekly=weekly, monthly=monthly)
    assert retained <= set(created)
    assert len(retained) <= daily + weekly + monthly
    assert choose_retained(retained, daily=daily, weekly=weekly, monthly=monthly) == retained
    assert (max(created) in retained) == bool(daily or weekly or monthly)
    days = sorted({at.date() for at in created}, reverse=True)[:daily]
    assert all(max(at for at in created if at.date() == day) in retained for day in days)
    for at in set(created) - retained:
        assert any(other > at for other in retained) or not retained


@given(instants, numbers, numbers, numbers, st.integers(1, 5))
def test_larger_numbers_keep_more(created, daily, weekly, monthly, more):
    """No backup is removed because a number was raised, or because an older backup appeared."""
    retained = choose_retained(created, daily=daily, weekly=weekly, monthly=monthly)
    assert retained <= choose_retained(created, daily=daily + more, weekly=weekly + more, monthly=monthly)
    older = [min(created) - timedelta(days=40 * number) for number in range(1, 4)]
    assert retained <= choose_retained([*created, *older], daily=daily, weekly=weekly, monthly=monthly)


def test_daily_backups_of_two_years_leave_days_weeks_and_months():
    """Run each day, as a schedule does: 7 days, 4 weeks and 12 months remain."""
    retained: set[datetime] = set()
    for day in range(730):
        retained = choose_retained({*retained, START + timedelta(days=day)}, daily=7, weekly=4, monthly=12)
    ages = sorted((START + timedelta(days=729) - at).days for at in retained)
    assert ages[:7] == [0, 1, 2, 3, 4, 5, 6]
    assert 18 <= len(retained) <= 23
    assert 330 <= ages[-1] <= 366
    assert all(later - earlier <= 31 for earlier, later in pairwise(ages))


def add(folder: Path, name: str, days_ago: int, database: Path) -> Path:
    """Make a backup that says that it was made some days ago."""
    made = backup.sqlite(database, to=folder / name, make_folders=True)
    record = made.file.as_path().with_name(name + ".backup.json")
    fields = msgspec.json.decode(record.read_bytes())
    at = datetime(2026, 6, 30, 12, tzinfo=UTC) - timedelta(days=days_ago)
    record.write_bytes(msgspec.json.encode({**fields, "created_at": int(at.timestamp() * 1000)}))
    return made.file.as_path()


def test_prune_removes_old_backups_of_each_database_with_their_records(tmp_path):
    """Each database has its own numbers; files without a record are left alone."""
    shop, other = make_database(tmp_path / "shop.db", 1), make_database(tmp_path / "other.db", 1)
    folder = tmp_path / "to"
    for days in range(5):
        add(folder, f"shop-{days}.db", days, shop)
    add(folder, "other.db", 400, other)
    (folder / "notes.txt").write_text("mine")
    planned = backup.prune(folder, daily=2, weekly=0, monthly=0, dry_run=True)
    assert len(list(folder.iterdir())) == 13
    done = backup.prune(folder, daily=2, weekly=0, monthly=0)
    assert done == planned
    assert done.removed == ["shop-4.db", "shop-3.db", "shop-2.db"]
    assert done.remaining == ["other.db", "shop-1.db", "shop-0.db"]
    assert sorted(path.name for path in folder.iterdir() if "backup.json" not in path.name) == [
        "notes.txt", "other.db", "shop-0.db", "shop-1.db",
    ]  # fmt: skip
    assert backup.prune(folder, daily=2, weekly=0, monthly=0).removed == []


def test_last_intact_backup_stays_although_it_is_old(tmp_path):
    """If the new backups are damaged, the numbers do not count; if all are, nothing is removed."""
    shop, folder = make_database(tmp_path / "shop.db", 1), tmp_path / "to"
    paths = [add(folder, f"shop-{days}.db", days, shop) for days in range(4)]
    for path in paths[:2]:
        path.write_bytes(b"rot")
    done = backup.prune(folder, daily=1, weekly=0, monthly=0)
    assert done.removed == ["shop-3.db", "shop-1.db"]
    assert done.remaining == ["shop-2.db", "shop-0.db"]
    paths[2].write_bytes(b"rot")
    with pytest.raises(backup.BackupError, match=r"none of the 2 backups of .*shop\.db is intact"):
        backup.prune(folder, daily=1, weekly=0, monthly=0)
    assert paths[2].exists()


def test_days_begin_in_the_named_time_zone(tmp_path):
    """23:00 and 01:00 UTC are one day in New York."""
    at = [datetime(2026, 6, 30, hour, tzinfo=UTC) for hour in (1, 23)]
    shop, folder = make_database(tmp_path / "shop.db", 1), tmp_path / "to"
    for number, instant in enumerate([at[0], at[0] - timedelta(hours=2)]):
        path = add(folder, f"{number}.db", 0, shop)
        record = path.with_name(path.name + ".backup.json")
        fields = msgspec.json.decode(record.read_bytes())
        record.write_bytes(msgspec.json.encode({**fields, "created_at": int(instant.timestamp() * 1000)}))
    assert backup.prune(folder, weekly=0, monthly=0, dry_run=True).removed == []
    assert backup.prune(folder, weekly=0, monthly=0, tz="America/New_York").removed == ["1.db"]


@pytest.mark.parametrize("options", [{"daily": -1}, {"daily": 0, "weekly": 0, "monthly": 0}, {"tz": "Mars/Base"}])
def test_options_that_would_remove_everything_are_refused(tmp_path, options):
    """A typing error must not be a deletion."""
    with pytest.raises((OptionError, UnknownNameError)):
        backup.prune(tmp_path, **options)
