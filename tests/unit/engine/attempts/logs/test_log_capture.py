"""What the code of a step logs and prints is handed to its attempt; all else goes where it went before."""

import io
import logging
import sys
import threading

import pytest

from mainspring.domain.redaction.redactor import Redactor
from mainspring.engine.attempts.logs import log_capture
from mainspring.engine.attempts.logs.log_capture import OutputCapture, StepLogHandler, StepStream, post_last_lines
from mainspring.engine.attempts.step_context import CURRENT_STEP, AttemptClosed, StepContext
from mainspring.resources.known_secrets import KNOWN_SECRETS

LOG = logging.getLogger("users.code")


class CapturedLines:
    """A channel that keeps what it hears."""

    def __init__(self):
        self.signs = []
        self.is_closed = False

    def post(self, sign):
        if self.is_closed:
            raise AttemptClosed("too late")
        self.signs.append(sign)

    @property
    def lines(self):
        return [(sign.stream or sign.logger, sign.level, sign.text) for sign in self.signs]


@pytest.fixture
def captured():
    return CapturedLines()


@pytest.fixture
def step(captured):
    context = StepContext(captured, run_id="r", name="s", key="k", attempt=1)
    token = CURRENT_STEP.set(context)
    yield context
    CURRENT_STEP.reset(token)


@pytest.fixture(params=[True, False], ids=["echo", "instead"])
def echo(request):
    return request.param


@pytest.fixture(autouse=True)
def exclusive_capture(monkeypatch):
    """Nothing of an engine that another test of this process left."""
    root = logging.getLogger()
    monkeypatch.setattr(
        root, "handlers", [handler for handler in root.handlers if not isinstance(handler, StepLogHandler)]
    )
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        monkeypatch.setattr(sys, name, stream.inner if isinstance(stream, StepStream) else stream)


@pytest.fixture
def begin(echo):
    """Begins to capture, in the streams that are there when the test runs."""
    captures = []

    def start():
        captures.append(OutputCapture())
        captures[-1].begin(echo=echo)

    yield start
    for capture in captures:
        capture.end()


def test_printed_secret_is_hidden_in_the_output_too(begin, captured, step, capsys, monkeypatch):
    """The terminal, or the mail of cron, gets what the lines get."""
    monkeypatch.setattr(KNOWN_SECRETS, "redactor", Redactor(["sk_example_51H8"]))
    begin()
    print("key sk_example_51H8 is used")
    assert "sk_example_51H8" not in capsys.readouterr().out


def test_split_secret_is_hidden_in_the_output_too(begin, captured, step, echo, capsys, monkeypatch):
    """A value over two writes, over two lines, and one that a logger writes."""
    monkeypatch.setattr(KNOWN_SECRETS, "redactor", Redactor(["correct-horse-battery"]))
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    begin()
    sys.stdout.write("one correct-ho")
    sys.stdout.write("rse-battery\n")
    print("two correct-horse-")
    print("battery")
    LOG.warning("three %s", "correct-horse-battery")
    print("last correct-ho", end="")
    post_last_lines(step)
    out, err = capsys.readouterr()
    assert out == ("one ***\ntwo ***\nlast ***" if echo else "")
    assert err.strip() == "three ***"


def test_secret_is_hidden_by_a_handler_that_is_older_than_the_capture(captured, step, capsys, monkeypatch):
    """Such as that of `logging.basicConfig` in a file of automations. After the capture it writes as before."""
    monkeypatch.setattr(KNOWN_SECRETS, "redactor", Redactor(["correct-horse-battery"]))
    handler = logging.StreamHandler()
    monkeypatch.setattr(logging.getLogger(), "handlers", [handler])
    before, capture = handler.stream, OutputCapture()
    capture.begin(echo=True)
    LOG.warning("one %s", "correct-horse-battery")
    capture.end()
    assert capsys.readouterr().err == "one ***\n"
    assert handler.stream is before


def test_prints_of_a_step_become_its_lines(begin, captured, step, echo, capsys):
    """By line, however they were written; the last one at the end."""
    begin()
    print("one", end="")
    print(" and a half")
    sys.stderr.writelines(["a\n", "b\r\n", "c"])
    assert captured.lines == [
        ("stdout", "info", "one and a half"),
        ("stderr", "warning", "a"),
        ("stderr", "warning", "b"),
    ]
    post_last_lines(step)
    assert captured.lines[-1] == ("stderr", "warning", "c")
    assert capsys.readouterr().out == ("one and a half\n" if echo else "")
    assert {sign.is_out for sign in captured.signs} == {echo}


def test_prints_outside_of_a_step_go_where_they_went(begin, captured, capsys):
    """Nothing is captured there, and the stream behaves as it did."""
    begin()
    print("outside")
    assert capsys.readouterr().out == "outside\n"
    assert captured.signs == []
    assert sys.stdout.isatty() is False


def test_records_of_a_step_become_its_lines(begin, captured, step):
    """With level, logger, fields, and the traceback of an error."""
    begin()
    try:
        raise ValueError("bad \x1b[31m")
    except ValueError:
        LOG.exception("failed %d", 1, extra={"rows": 3})
    (sign,) = captured.signs
    assert (sign.level, sign.logger, sign.fields) == ("error", "users.code", {"rows": 3})
    assert sign.text.startswith("failed 1\nTraceback")
    assert sign.text.endswith("ValueError: bad \\x1b[31m")
    assert sign.is_out


def test_record_that_a_handler_prints_is_one_line(begin, captured, step):
    """A handler of the user's that writes to the captured stream does not double it; its own logger that keeps to itself is heard."""
    begin()
    handler = logging.StreamHandler()  # takes sys.stderr as it is now
    root, logger = logging.getLogger(), logging.getLogger("alone")
    root.addHandler(handler)
    logger.addHandler(handler)
    logger.propagate = False
    try:
        LOG.warning("once")
        logger.warning("by itself")
    finally:
        root.removeHandler(handler)
        logger.removeHandler(handler)
        logger.propagate = True
    assert [(where, text) for where, _, text in captured.lines] == [("users.code", "once"), ("stderr", "by itself")]


def test_records_of_ours_and_bad_records_are_no_lines(begin, captured, step, monkeypatch):
    """What the engine says is not the step's; a record whose arguments do not fit raises nothing."""
    begin()
    monkeypatch.setattr(logging, "raiseExceptions", False)
    logging.getLogger("mainspring.worker").warning("ours")
    LOG.warning("%d", "no number")
    assert captured.signs == []


def test_step_that_was_abandoned_prints_on_in_peace(begin, captured, step):
    """Its lines are no one's, and its cleaning up is not disturbed."""
    begin()
    captured.is_closed = True
    print("still here")
    LOG.warning("and here")
    post_last_lines(step)
    assert captured.signs == []


def test_line_without_an_end_is_cut(begin, captured, step):
    """Megabytes without a newline do not gather."""
    begin()
    sys.stdout.write("x" * 40_000)
    assert sum(len(sign.text) for sign in captured.signs) >= 16_384
    assert max(len(sign.text) for sign in captured.signs) <= 16_384


def test_giant_line_is_cut_once_and_no_more_of_it_than_a_run_keeps(begin, captured, step, monkeypatch):
    """Each part is copied once, not once for each part before it; what is left out is said."""
    monkeypatch.setattr(log_capture, "MAX_RUN_BYTES", 100_000)
    begin()
    sys.stdout.write("y" * 300_000)
    print("\nafter")
    texts = [sign.text for sign in captured.signs]
    assert sum(text.count("y") for text in texts) == 100_000
    assert max(map(len, texts)) == 16_384
    assert [text for text in texts if "y" not in text] == [
        "--- 200,000 characters of one print are left out: over the limit of a run ---",
        "after",
    ]


@pytest.mark.parametrize("size", [1, 16_383, 16_384, 16_385, 32_768, 50_000])
def test_parts_of_a_long_line_make_the_line(begin, captured, step, size):
    """Whether it came at once or in pieces; its end makes no line of its own."""
    begin()
    line = "".join(chr(97 + n % 26) for n in range(size))
    sys.stdout.write(line[: size // 3])
    sys.stdout.write(line[size // 3 :])
    print()
    assert "".join(sign.text for sign in captured.signs) == line
    assert all(sign.text for sign in captured.signs)


def test_threads_of_one_step_mix_no_lines(begin, captured, step):
    """Each line is whole though several threads of the step print at once."""
    begin()
    import contextvars

    def prints(word):
        for _ in range(200):
            print(word * 10)

    threads = [threading.Thread(target=contextvars.copy_context().run, args=(prints, word)) for word in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    whole = "".join(text for _, _, text in captured.lines)
    assert (whole.count("a"), whole.count("b")) == (2_000, 2_000)


def test_two_users_capture_once(monkeypatch, captured, step):
    """Of two engines in a program each line is handed over once, until the last one has gone."""
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    capture = OutputCapture()
    capture.begin(echo=False)
    capture.begin(echo=False)
    print("once")
    capture.end()
    print("still")
    capture.end()
    print("gone")
    assert [text for _, _, text in captured.lines] == ["once", "still"]
    assert stream.getvalue() == "gone\n"


def test_report_of_a_handler_that_fails_is_no_line_of_the_step(begin, captured, step, monkeypatch):
    """A log file that was closed costs the step its own line once, not a traceback of logging for each."""
    begin()
    closed = logging.StreamHandler(io.StringIO())
    closed.stream.close()
    monkeypatch.setattr(LOG, "handlers", [closed])
    LOG.warning("three left")
    post_last_lines(step)
    assert [text for _, _, text in captured.lines] == ["three left"]
