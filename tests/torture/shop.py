"""The users' own database: transactional steps write in it, and nothing there would refuse a second payment."""

from collections import Counter

from tests.acceptance.fleet import Fleet
from tests.postgres_server import PostgresServer

SCHEMA = "shop"
_DONE = "select (convert_from(input, 'UTF8')::json ->> 'number')::int from runs where automation = 'payment' and state = 'succeeded'"


def open_shop(server: PostgresServer, store: str) -> str:
    """Make it beside the store with this address; return what makes it the database of steps in a project's configuration."""
    server.execute(f"create schema {SCHEMA}")
    server.execute(f"create table {SCHEMA}.payments (number int not null)")
    return f'[databases]\ndefault = "{store.partition("?")[0]}?schema={SCHEMA}"\n'


def missing_and_doubled(fleet: Fleet) -> tuple[list[int], list[int]]:
    """Return succeeded runs without a payment, and payments that are there twice."""
    if fleet.rows("select to_regclass(%s)::text", f"{SCHEMA}.payments") == [(None,)]:
        return [], []
    paid = Counter(int(number) for (number,) in fleet.rows(f"select number from {SCHEMA}.payments"))
    done = [int(number) for (number,) in fleet.rows(_DONE)]
    return [number for number in done if number not in paid], [number for number, n in paid.items() if n > 1]
