"""What a supervisor has on record: it owns no run, so it may open another session, and tells who was taken out of service."""

import time
from pathlib import Path

import pytest

from mainspring.app.project import Project
from mainspring.app.supervisor_record import SupervisorRecord
from mainspring.store.commands.sessions import Bury
from tests.postgres_server import PostgresServer

PATIENCE = 60.0


@pytest.mark.timeout(90)
def test_supervisor_whose_session_was_buried_opens_another_one(postgres: PostgresServer, tmp_path: Path) -> None:
    """A machine that was cut off for longer than its lease comes back by itself; what it keeps is on record again."""
    config = tmp_path / "mainspring.toml"
    config.write_text(f'[store]\nurl = "{postgres.new_store()}"\n[worker]\nlease = "2s"\n')
    project = Project.find(config=config)
    record = SupervisorRecord(project, ("worker", "web"))
    other = project.open_store()
    record.open()
    try:
        text = "select id, posts from sessions where role = 'supervisor' and state = 'alive'"
        ((first, posts),) = other.reader.read_text(text)
        other.apply(Bury(first))
        until = time.monotonic() + PATIENCE
        while not (found := other.reader.read_text(text)):
            assert time.monotonic() < until
            time.sleep(0.05)
        assert found == [(found[0][0], posts)]
        assert found[0][0] > first
        assert posts == '["worker","web"]'.replace(",", ", ")
        record.check()
    finally:
        record.close()
        other.close()
