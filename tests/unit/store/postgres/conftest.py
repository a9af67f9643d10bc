"""What is said to a server, counted."""

import psycopg
import pytest


@pytest.fixture
def messages(monkeypatch):
    """What is sent from now on and waited for: a statement by itself, or many together. Not the hint, which has its own time."""
    found = []
    execute, pipeline = psycopg.RawCursor.execute, psycopg.Connection.pipeline

    def executed(cursor, query, *args, **options):
        if cursor.connection.info.pipeline_status == psycopg.pq.PipelineStatus.OFF and "pg_notify" not in query:
            found.append(query)
        return execute(cursor, query, *args, **options)

    def together(connection):
        found.append("many")
        return pipeline(connection)

    monkeypatch.setattr(psycopg.RawCursor, "execute", executed)
    monkeypatch.setattr(psycopg.Connection, "pipeline", together)
    return found
