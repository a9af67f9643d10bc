"""On PostgreSQL a change of one concurrency key reads no runs of other keys, however many are ready."""

import re

from mainspring.store.postgres.migrate import migrations
from tests.contract.store.plans import plans_on_a_server

_HISTORY = """
insert into runs (id, automation, kind, version, state, queue, place, created_at, changed_at, fresh, codec, input, trigger,
                  concurrency_key, has_slot, ready)
select 'ready-' || n, 'a', 'task', 1, 'queued', 'default', n, n, n, 1, 'json', '[]', 'test', 'key ' || n, 1, 1
from generate_series(1, 5000) as n;
insert into runs (id, automation, kind, version, state, queue, place, created_at, changed_at, fresh, codec, input, trigger,
                  concurrency_key, blocked, ready)
select 'line-' || n, 'a', 'task', 1, 'queued', 'default', n, n, n, 1, 'json', '[]', 'test', 'long', 'concurrency', 0
from generate_series(1, 5000) as n
"""


def test_each_statement_of_the_trigger_goes_by_an_index_of_the_key(postgres) -> None:
    """Both parts of the key are in the condition of the index."""
    with plans_on_a_server(postgres, _HISTORY) as plans:
        function = next(text for number, name, text in migrations() if (number, name) == (26, "unknown_limits"))
        places = re.findall(r"from runs\s+where (automation = pair\[1\].*?)(?:\)|;|for update)", function, re.DOTALL)
        assert len(places) == 3
        for place in places:
            condition = place.replace("pair[1]", "$1").replace("pair[2]", "$2").replace("limit slots", "limit 1")
            found = plans.explain(f"select seq from runs where {condition}", ())
            assert any(re.search(r"Index Cond: .*automation.*concurrency_key", line) for line in found), "\n".join(
                found
            )
