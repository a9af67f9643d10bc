"""Known secrets are hidden in what this process writes, whichever code and thread writes it."""

import io
import logging
import logging.handlers
import os
import sys
import threading

import pytest

from mainspring.domain.redaction.redactor import Redactor
from mainspring.resources import process_output
from mainspring.resources.known_secrets import KNOWN_SECRETS
from mainspring.resources.process_output import redact_process_output, redact_stream

SECRET = "correct-horse-battery"


@pytest.fixture(autouse=True)
def secret(monkeypatch):
    monkeypatch.setattr(KNOWN_SECRETS, "redactor", Redactor([SECRET]))


@pytest.fixture
def stream():
    return io.StringIO()


def run_in_thread(function, *args):
    thread = threading.Thread(target=function, args=args)
    thread.start()
    thread.join()


def test_known_secret_of_any_thread_is_hidden(capsys):
    """In prints and in the tracebacks of uncaught errors, also for code that kept the stream."""
    original = sys.stderr
    redact_process_output()
    run_in_thread(print, "one", SECRET)
    print("two", SECRET, "password=hunter2", file=original)
    print("three correct-hor", "se-battery", sep="", end="!\n")
    sys.stdout.writelines(["four correct-", "horse-battery\n"])
    out, err = capsys.readouterr()
    assert out == "one ***\nthree ***!\nfour ***\n"
    assert err == "two *** password=hunter2\n"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_known_secret_in_an_uncaught_error_is_hidden(capsys, monkeypatch):
    """The hooks of threads, finalizers and the main thread write through the stream."""
    monkeypatch.setattr(threading, "excepthook", threading.__excepthook__)
    monkeypatch.setattr(sys, "unraisablehook", sys.__unraisablehook__)

    class Noisy:
        def __del__(self):
            raise ValueError(f"finalizer {SECRET}")

    def fail():
        raise ValueError(f"thread {SECRET}")

    redact_process_output()
    run_in_thread(fail)
    Noisy()
    try:
        fail()
    except ValueError as error:
        sys.__excepthook__(ValueError, error, error.__traceback__)
    err = capsys.readouterr().err
    assert SECRET not in err
    assert err.count("ValueError: thread ***\n") == 2
    assert "ValueError: finalizer ***\n" in err


def test_known_secret_is_hidden_by_a_handler_of_any_logger(capsys, tmp_path, monkeypatch):
    """One that kept the stream, and one with a file of its own."""
    handlers = [logging.StreamHandler(), logging.FileHandler(tmp_path / "lib.log")]
    monkeypatch.setattr(logging.getLogger("lib"), "handlers", handlers)
    redact_process_output()
    logging.getLogger("lib").warning("named %s", SECRET)
    handlers[1].close()
    assert capsys.readouterr().err == "named ***\n"
    assert (tmp_path / "lib.log").read_text() == "named ***\n"


def test_known_secret_is_hidden_from_handlers_that_send_the_whole_record(monkeypatch):
    """A server gets the message, its arguments, additional fields and the traceback without it; a handler may format by itself, too."""
    sent, texts = [], []

    class Sending(logging.handlers.SocketHandler):
        def send(self, s):
            sent.append(s)

    class Own(logging.Handler):
        def emit(self, record):
            texts.append(f"{record.getMessage()} {record.args} {record.__dict__}")

    handlers = [Sending("localhost", 1), Own(), logging.handlers.HTTPHandler("localhost", "/")]
    monkeypatch.setattr(handlers[2], "emit", lambda record: texts.append(str(handlers[2].mapLogRecord(record))))
    monkeypatch.setattr(logging.getLogger("lib"), "handlers", handlers)
    redact_process_output()
    try:
        raise ValueError(f"failed with {SECRET}")
    except ValueError:
        logging.getLogger("lib").exception("named %s, cut %.3s", SECRET, SECRET, extra={"field": f"={SECRET}="})
    logging.getLogger("lib").warning("of a %(kind)s", {"kind": SECRET})
    assert len(sent) == 2
    assert len(texts) == 4
    assert not any(SECRET.encode() in data for data in sent)
    assert SECRET not in "".join(text.replace("exc_info", "") for text in texts if "ValueError(" not in text)
    assert texts[0].startswith("named ***, cut ")
    assert texts[2].startswith("of a ***")


def test_text_of_threads_is_not_mixed(stream):
    """A value that one thread writes in pieces is found though another writes between them; what waits for an ended thread is written."""
    redact_stream(stream)
    stream.write("one correct-")
    run_in_thread(stream.write, "two correct-horse-battery, c")
    assert stream.getvalue() == "one two ***, "
    stream.write("horse-battery\n")
    assert stream.getvalue() == "one two ***, c***\n"


def test_line_is_written_at_once(stream):
    """Whether its end may begin a value or not; a prompt without an end of line, too."""
    redact_stream(stream)
    stream.write("it is a c\n")
    assert stream.getvalue() == "it is a c\n"
    stream.write("Continue? ")
    assert stream.getvalue() == "it is a c\nContinue? "


def test_waiting_text_is_written_at_the_exit(stream, monkeypatch):
    """Later text does not wait. A process that was forked leaves it to its parent."""
    redact_stream(stream)
    stream.write("one c")
    child = os.fork()
    if not child:
        process_output._write_waiting()
        os._exit(stream.getvalue() != "one ")
    assert os.waitpid(child, 0)[1] == 0
    monkeypatch.setattr(process_output._RedactedWrite, "is_exiting", False)
    process_output._write_waiting()
    assert stream.getvalue() == "one c"
    stream.write("two c")
    assert stream.getvalue() == "one ctwo c"


def test_stream_is_redacted_once(stream):
    """A second call returns the same function, a stream that has no place for another `write` stays as it is."""

    class Fixed:
        __slots__ = ()

        def write(self, text):
            return len(text)

    assert redact_stream(stream) == redact_stream(stream)
    fixed = Fixed()
    assert redact_stream(fixed) == fixed.write


def test_text_that_is_no_text_is_refused_as_before(stream):
    """The error is that of the stream."""
    redact_stream(stream)
    with pytest.raises(TypeError, match="string argument expected"):
        stream.write(b"bytes")
