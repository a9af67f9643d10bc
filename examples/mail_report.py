"""A report by mail, once for each month, however often it is started: a text, a page of HTML and a table as attachment.

    python -m aiosmtpd -n -l 127.0.0.1:8025      # a mail server that prints what it gets
    mainspring run mail-report -m examples/mail_report.py month=2026-11 folder=.

Teaches: an effect with a key of its own across runs; texts from templates, whose values are escaped in HTML; what a step has computed is
computed once, so a mail that is sent again after a crash has the same table.
"""

import csv
import io
import os
from pathlib import Path

import mainspring as ms
from mainspring.actions import email

SERVER = os.environ.get("MAIL_SERVER", "smtp://127.0.0.1:8025?from=reports@example.com")
TO = os.environ.get("MAIL_TO", "you@example.com")
HTML = """\
<h1>{{ month }}</h1>
<table>
{% for name, size in rows %}<tr><td>{{ name }}</td><td>{{ size }}</td></tr>
{% endfor %}</table>
"""


def measure(folder: str) -> list[tuple[str, int]]:
    """Return name and size of each file, the largest first."""
    files = [(entry.name, entry.stat().st_size) for entry in os.scandir(folder) if entry.is_file()]
    return sorted(files, key=lambda file: (-file[1], file[0]))


def send_report(month: str, folder: str, rows: list[tuple[str, int]]) -> email.SentEmail:
    """Send the mail; the key has the month and the folder."""
    table = io.StringIO()
    csv.writer(table).writerows([("name", "bytes"), *rows])
    return email.send(
        TO,
        f"Files of {month}",
        text=f"{len(rows)} files have {sum(size for _, size in rows):,} bytes.",
        html=email.render(HTML, {"month": month, "rows": rows[:10]}, html=True),
        attachments=[(f"files-{month}.csv", table.getvalue().encode())],
        server=SERVER,
        once=f"report:{month}:{Path(folder).resolve()}",
    )


@ms.workflow(name="mail-report", owner="you")
async def mail_report(run: ms.Run, month: str, folder: str) -> str:
    """Measure a folder, and send the report once for its month."""
    rows = await run.step(measure, folder)
    mail = await run.step(send_report, month, folder, rows)
    return mail.message_id
