"""An inbox of files: each CSV file starts one run and is then moved to inbox/done or inbox/failed.

    mkdir examples/inbox && mainspring up -m examples/inbox.py
    printf 'name,amount\nAnn,12.50\nBob,7\n' > examples/inbox/payments.csv

Teaches: a watched folder beside the code that names it; a file counts when its size has settled, and one content starts one run, also if
processes are killed; you correct a failed file and move it back, and a new run starts; `file` works for any bytes in a name.
"""

import csv
from decimal import Decimal, InvalidOperation

import mainspring as ms


@ms.on.files("inbox", pattern="*.csv", settle="1s", after_success="done", after_failure="failed")
@ms.task
def book(file: ms.File) -> Decimal:
    """Add up the amounts of one file."""
    total = Decimal(0)
    with file.as_path().open(encoding="utf-8", newline="") as opened:
        for number, row in enumerate(csv.DictReader(opened), 2):
            try:
                total += Decimal(row["amount"])
            except (KeyError, TypeError, InvalidOperation):
                raise ms.Permanent(
                    f"{file.name}, line {number}: there is no amount",
                    hint="Correct the file and move it back to the inbox.",
                ) from None
    return total
