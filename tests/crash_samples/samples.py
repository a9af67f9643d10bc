"""Samples of workflows: harmless steps, and between them one step that is correct, or has a planted fault."""

import random
from dataclasses import dataclass
from pathlib import Path

PLANTED = "planted"
"""The name of the step with the fault."""

_HEAD = '''"""A workflow made from a seed."""
import asyncio
import os
import sqlite3
from pathlib import Path

import mainspring as ms

memory = {}


def append(name, line):
    with open(name, "a") as file:
        file.write(f"{line}\\n")


def fail():
    raise ms.Permanent("sold out")

'''

FAULTS = {
    "append": """
{marker}def planted(n):
    append("orders.log", n)
    return n
""",
    "check after effect": """
{marker}def planted(n):
    if not Path("done").exists():
        append("orders.log", n)
        Path("note.txt").write_text("sent")
        Path("done").touch()
    return n
""",
    "lost finally": """
{marker}def planted(n):
    temporary = Path(f"part-{{os.getpid()}}")
    temporary.write_text("x")
    try:
        Path("whole.txt").write_text(str(n))
    finally:
        temporary.unlink()
    return n
""",
    "counter": """
{marker}def planted(n):
    path = Path("count.txt")
    path.write_text(str(int(path.read_text()) + n if path.exists() else n))
    return n
""",
    "insert": """
{marker}def planted(n):
    with sqlite3.connect("shop.db") as database:
        database.execute("CREATE TABLE IF NOT EXISTS payments (id INTEGER PRIMARY KEY, amount)")
        database.execute("INSERT INTO payments (amount) VALUES (?)", (n,))
    database.close()
    return n
""",
    "mkdir": """
{marker}def planted(n):
    try:
        Path("spool").mkdir()
    except FileExistsError as error:
        raise ms.Permanent("the folder is there") from error
    return n
""",
    "middleware": """
@ms.middleware
class Log:
    async def around_step(self, step, proceed):
        result = await proceed()
        if step.name == "planted":
            append("calls.log", step.name)
        return result


{marker}def planted(n):
    return n
""",
    "property": """
class Order:
    @property
    def number(self):
        append("numbers.log", "taken")
        return 1


{marker}def planted(n):
    return n * Order().number
""",
    "memory between steps": """
{marker}def planted(n):
    memory["n"] = n
    return n


def use_memory():
    Path("memory.txt").write_text(str(memory.get("n")))
""",
    "undo of another key": """
{marker}def planted(n):
    memory["seat"] = f"seat-{{os.getpid()}}"
    Path(memory["seat"]).touch()
    return n


def give_back(n):
    Path(memory["seat"]).unlink()
""",
}

CORRECT = {
    "file by key": """
{marker}def planted(n):
    Path(f"order-{{n}}.txt").write_text(str(n))
    return n
""",
    "insert by key": """
{marker}def planted(n):
    with sqlite3.connect("shop.db") as database:
        database.execute("CREATE TABLE IF NOT EXISTS payments (id TEXT PRIMARY KEY, amount)")
        database.execute("INSERT OR IGNORE INTO payments VALUES (?, ?)", (ms.idempotency_key(), n))
    database.close()
    return n
""",
    "look first": """
{marker}def planted(n):
    log = Path("orders.log")
    if not log.exists() or f"{{n}}\\n" not in log.read_text():
        append("orders.log", n)
    return n
""",
    "atomic file": """
{marker}def planted(n):
    Path("report.part").write_text(str(n))
    os.replace("report.part", "report.txt")
    return n
""",
    "mkdir": """
{marker}def planted(n):
    Path("spool").mkdir(exist_ok=True)
    return n
""",
}


@dataclass(frozen=True)
class Sample:
    """A workflow `sample(n)` in a file. `kind` = its planted fault, or how it is correct."""

    kind: str
    source: str

    def write(self, folder: Path) -> Path:
        """Write the file; return its path."""
        path = folder / "sample.py"
        path.write_text(self.source)
        return path


def make_sample(seed: int, *, faulty: bool) -> Sample:
    """Return the sample of a seed; the kinds take turns."""
    random_numbers = random.Random(seed)
    kinds = FAULTS if faulty else CORRECT
    kind = list(kinds)[seed % len(kinds)]
    count = random_numbers.randint(1, 3)
    place = random_numbers.randint(0, count)
    steps = [f"    await run.step(harmless_{number}, n)" for number in range(count)]
    steps.insert(place, "    x = await run.step(planted, n)")
    if random_numbers.random() < 0.5:
        steps.insert(random_numbers.randint(0, len(steps)), "    await asyncio.sleep(3600)")
    if kind == "memory between steps":
        steps.append("    await run.step(use_memory)")
    if kind == "undo of another key":
        steps = [step.replace("run.step(planted", "run.options(undo=give_back).step(planted") for step in steps]
        steps += [
            "    try:",
            "        await run.step(fail)",
            "    except ms.StepFailed:",
            "        await run.rollback('sold out')",
        ]
    harmless = "\n\n".join(
        f"{_mark(random_numbers)}def harmless_{number}(n):\n    Path('step-{number}.txt').write_text(str(n))"
        for number in range(count)
    )
    body = "\n".join(steps)
    source = (
        f"{_HEAD}\n{harmless}\n\n{kinds[kind].format(marker=_mark(random_numbers, kind))}\n\n"
        f"@ms.workflow\nasync def sample(run: ms.Run, n: int):\n{body}\n    return x\n"
    )
    return Sample(kind, source)


def _mark(random_numbers: random.Random, kind: str = "") -> str:
    """Return the beginning of a plain or an async function."""
    return "async " if random_numbers.random() < 0.5 else ""
