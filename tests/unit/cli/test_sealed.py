"""Runs with sealed values: read where the codec is at hand, and said to be sealed where it is not."""

import asyncio
import shutil
from pathlib import Path

import msgspec
import pytest

import mainspring as ms
from mainspring.domain.states import RunState
from mainspring.engine.definitions.registry import Registry
from tests.acceptance import sealing_codec
from tests.acceptance.sealing_codec import codec

WORD = "swordfish7391"
CODEC = "MAINSPRING_STORE_CODEC"


@pytest.fixture
def runs(store_path: Path, folder: Path) -> dict[str, str]:
    """Return a run that succeeded, one that failed, one in doubt and one that asks; the codec's module lies in the folder."""
    shutil.copy(str(sealing_codec.__file__), folder / "sealed_keys.py")
    registry = Registry()
    with registry:

        async def lose(word: str) -> str:
            raise ms.Permanent(f"error {word}", hint=f"hint {word}", data={"data": word})

        @ms.workflow(title="good {word}")
        async def good(run: ms.Run, word: str) -> str:
            run.tag(who=word)
            return word

        @ms.workflow(title="bad {word}")
        async def bad(run: ms.Run, word: str) -> str:
            return await run.step(lose, word)

        @ms.workflow
        async def doubtful(run: ms.Run, word: str) -> str:
            return await run.options(delivery="at_most_once").step(lose, word)

        @ms.workflow
        async def ask_word(run: ms.Run, word: str) -> str:
            return str(await run.ask(f"question {word}", choices=[word, "no"]))

    store_path.parent.mkdir()
    app = ms.App(store_path, registry=registry, codec=codec)

    async def work() -> dict[str, str]:
        async with app.running():
            made = {
                definition.name: await app.start(definition, WORD) for definition in (good, bad, doubtful, ask_word)
            }
            ends = (RunState.SUCCEEDED, RunState.FAILED, RunState.NEEDS_ATTENTION, RunState.WAITING)
            for handle, end in zip(made.values(), ends, strict=True):
                while await handle.status() is not end:
                    await asyncio.sleep(0.01)
            return {name: handle.id for name, handle in made.items()}

    found = asyncio.run(work())
    app.close()
    return found


READS = [
    ("runs", "show", "good"), ("runs", "show", "bad"), ("runs", "export", "bad"), ("explain", "bad"), ("explain", "ask_word"),
    ("runs", "diff", "good", "bad"), ("runs", "watch", "bad"), ("runs", "watch", "ask_word"), ("failed", "list"),
    ("runs", "list"), ("top",),
]  # fmt: skip


def _called(args, runs):
    return [runs.get(arg, arg) for arg in args]


@pytest.mark.parametrize("args", READS, ids="-".join)
@pytest.mark.parametrize("json", [False, True])
def test_without_the_codec_values_are_reported_to_be_sealed(cli, runs, args, json):
    """No secret, no crash; which codec it is and how to name it stands on stderr."""
    result = cli(*_called(args, runs), *(["--json"] if json else []))
    assert result.code in (0, 5, 6)
    assert WORD not in result.out + result.err
    assert "sealed by codec 'keystream'" in result.err
    assert CODEC in result.err


@pytest.mark.parametrize("args", READS, ids="-".join)
@pytest.mark.parametrize("json", [False, True])
def test_with_the_codec_values_are_read(cli, runs, args, json, monkeypatch):
    """The configuration, or its variable, names the codec."""
    monkeypatch.setenv(CODEC, "sealed_keys:codec")
    result = cli(*_called(args, runs), *(["--json"] if json else []))
    assert WORD in result.out + result.err
    assert "sealed by codec" not in result.out + result.err


def test_json_of_a_sealed_value_names_its_codec(cli, runs):
    """A program can tell a sealed value from the value."""
    run = cli("runs", "show", runs["good"], "--json").json
    assert run["result"].keys() == {"sealed", "base64"}
    assert run["result"]["sealed"] == "keystream"
    assert run["title"] is None


def test_operations_with_values_need_the_codec(cli, runs, monkeypatch):
    """Without it they are refused and change nothing; with it they act."""
    operations = [
        ("runs", "answer", "ask_word", WORD),
        ("runs", "signal", "ask_word", "s", "1"),
        ("runs", "give-result", "doubtful", '"x"'),
    ]
    for args in operations:
        result = cli(*_called(args, runs))
        assert (result.code, CODEC in result.err) == (8, True), args
    monkeypatch.setenv(CODEC, "sealed_keys:codec")
    for args in operations:
        assert cli(*_called(args, runs)).code == 0, args
    recorded_operations = cli("audit-log", "list", "--json").json
    answered = next(act for act in recorded_operations if act["verb"] == "answer")
    assert answered["detail"]["choice"] == WORD
    monkeypatch.delenv(CODEC)
    result = cli("audit-log", "list", "--json")
    assert WORD not in result.out


@pytest.mark.parametrize("name", ["no_such_module_here:codec", "sealed_keys:missing", "sealed_keys:_NONCE"])
def test_unavailable_codec_blocks_no_reading(cli, runs, name, monkeypatch):
    """A question says so and continues; an act with a value ends with the reason."""
    monkeypatch.setenv(CODEC, name)
    result = cli("runs", "show", runs["bad"])
    assert result.code == 0
    assert f"`store.codec` '{name}' cannot be used" in result.err
    assert cli("runs", "answer", runs["ask_word"], "no").code == 2


def test_another_key_is_reported(cli, runs, folder, monkeypatch):
    """The codec has the right name and cannot read: that is said, and the value stays sealed."""
    (folder / "other_keys.py").write_text("from sealed_keys import Keystream\nlost = Keystream(b'lost')\n")
    monkeypatch.setenv(CODEC, "other_keys:lost")
    result = cli("runs", "show", runs["good"])
    assert result.code == 0
    assert "could not open a value" in result.err
    assert "(sealed by codec 'keystream'" in result.out


def test_names_that_are_no_codec_are_refused(cli, folder, monkeypatch):
    """The error names the key and shows the form."""
    monkeypatch.setenv(CODEC, "just a word")
    result = cli("doctor", "--config")
    assert result.code == 2
    assert "store.codec" in result.err
    assert "module:name" in result.err


def test_doctor_displays_the_largest_value(cli, folder, monkeypatch):
    """As it would be written in the file, with where it was set."""
    rows = {row["setting"]: row for row in cli("doctor", "--config", "--json").json}
    assert rows["store.payload_max"]["value"] == "64MiB"
    assert rows["store.codec"]["value"] is None
    monkeypatch.setenv("MAINSPRING_STORE_PAYLOAD_MAX", "1MB")
    row = next(row for row in cli("doctor", "--config", "--json").json if row["setting"] == "store.payload_max")
    assert (row["value"], row["source"]) == ("1MB", "env MAINSPRING_STORE_PAYLOAD_MAX")


@pytest.mark.parametrize("size", ["0", "lots", "1GB"])
def test_impossible_largest_value_names_its_key(cli, folder, monkeypatch, size):
    """Which key, where it was set, what would do."""
    monkeypatch.setenv("MAINSPRING_STORE_PAYLOAD_MAX", size)
    result = cli("doctor", "--config")
    assert result.code == 2
    assert "store.payload_max" in result.err


def test_run_here_obeys_largest_value_and_codec(cli, folder, runs, store_path, monkeypatch):
    """`mainspring run` works with what the configuration says."""
    (folder / "flows.py").write_text(
        "import mainspring as ms\n\n"
        "@ms.task\ndef fill(n: int) -> str:\n    return 'x' * n\n\n"
        "@ms.task\ndef echo(word: str) -> str:\n    return word\n"
    )
    monkeypatch.setenv("MAINSPRING_STORE_PAYLOAD_MAX", "1kB")
    monkeypatch.setenv(CODEC, "sealed_keys:codec")
    result = cli("run", "-m", "flows.py", "fill", "n=2000")
    assert result.code == 6
    assert "store] payload_max" in result.err
    assert cli("run", "-m", "flows.py", "echo", f"word={WORD}").out.strip() == f'"{WORD}"'
    assert cli("run", "-m", "flows.py", "echo", f"word={'x' * 2000}").code == 2
    files = [file for file in store_path.parent.rglob("*") if file.is_file()]
    assert files
    assert not [file for file in files if WORD.encode() in file.read_bytes()]
    assert msgspec.json.decode(cli("runs", "show", "@last", "--json").out)["result"] == WORD
