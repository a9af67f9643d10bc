"""A process that decides deliveries of filtered keys, a round for each line that it reads.

    python -m tests.contract.store.deciding_process KIND PLACE NUMBER

It accepts a body of its own under the keys of the round, says so, waits for the next line, and lets all of them pass in one group.
"""

import itertools
import json
import sys
from pathlib import Path
from typing import Any

from mainspring.domain.errors import StoreUnavailableError
from mainspring.store.commands.results import DeliveryStored
from tests.contract.store.clock import FakeClock
from tests.contract.store.deliveries import accepting, announced, deciding, hook
from tests.contract.store.process import PostgresProcess, Process, SqliteProcess


def commit(process: Any, commands: list[Any]) -> list[Any]:
    """Return the answers to a group, sent again while its outcome is unknown, as the committer does."""
    again = False
    while True:
        try:
            return list(process.database.commit(commands, again=again).results)
        except StoreUnavailableError:
            again = True


def main(kind: str, place: str, number: int) -> None:
    Process._names = itertools.count(10_000 * number)
    make: Any = SqliteProcess if kind == "sqlite" else PostgresProcess
    process = make(Path(place) if kind == "sqlite" else place, FakeClock())
    process.open()
    process.do(announced(hook()))
    print("ready", flush=True)
    for line in sys.stdin:
        keys = json.loads(line)
        commit(
            process,
            [
                accepting(process, key, filtered=True, start=None, id=f"d_{key}_{number}", body_hash=f"body {number}")
                for key in keys
            ],
        )
        print("taken in", flush=True)
        sys.stdin.readline()
        commands = [deciding(process, f"d_{key}_{number}", key=key) for key in keys]
        answers = commit(process, commands)
        found = [
            {"key": key, "state": answer.state.value, "run": answer.run, "note": answer.note}
            if isinstance(answer, DeliveryStored)
            else {"key": key, "state": f"refused command: {answer}", "run": None, "note": None}
            for key, answer in zip(keys, answers, strict=True)
        ]
        print(json.dumps(found), flush=True)
    process.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
