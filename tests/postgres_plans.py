"""How a PostgreSQL server means to carry out a statement, whatever its values: the plan it keeps for it."""

import re

import psycopg


def plan_of(connection: psycopg.Connection, text: str) -> list[str]:
    """Return the lines of the plan for any values: what `explain (generic_plan)` says, which only PostgreSQL 16 and later know.

    The server must be reported for this connection to keep such plans: `set plan_cache_mode = force_generic_plan`.
    """
    count = max(map(int, re.findall(r"\$(\d+)", text)), default=0)
    values = f"({', '.join(['null'] * count)})" if count else ""
    connection.execute(f"prepare planned as {text}".encode())
    try:
        return [row[0] for row in connection.execute(f"explain execute planned{values}".encode()).fetchall()]
    finally:
        connection.execute("deallocate planned")
