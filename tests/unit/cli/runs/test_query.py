"""runs query: the answer of a workflow on standard output; without a worker that has its code an error at once."""

import contextlib
import threading

from mainspring.domain.failures.failure import Failure
from mainspring.store.commands.queries import AnswerQuery
from mainspring.store.commands.sessions import CloseSession
from tests.polling import polls
from tests.unit.cli.conftest import ORDER

NO = Failure("ValueError", "invalid", "no total yet")


@contextlib.contextmanager
def answering(stage, result, failure=None):
    """Answer the next query, as a worker would."""

    def answer() -> None:
        rows = "select id from run_queries where answered_at is null"
        for _ in polls(20):
            found = stage.store.reader.read_text(rows, ())
            if found:
                stage.do(AnswerQuery(found[0][0], result, failure))
                return

    thread = threading.Thread(target=answer)
    thread.start()
    yield
    thread.join(20)


def test_answer_is_printed(cli, stage):
    """As JSON, and with the run in the document."""
    run = stage.start(ORDER, b'{"customer": "a"}')
    with answering(stage, b'{"total":5}'):
        assert cli("runs", "query", run, "total").out == '{"total":5}\n'
    with answering(stage, b"7"):
        assert cli("runs", "query", run, "total", "10", "--json").json == {"run": run, "query": "total", "answer": 7}


def test_error_of_the_code_ends_with_5(cli, stage):
    """Its message is printed."""
    run = stage.start(ORDER, b'{"customer": "a"}')
    with answering(stage, None, NO):
        failed = cli("runs", "query", run, "total")
    assert (failed.code, "no total yet" in failed.err) == (5, True)


def test_query_without_an_answer_names_the_missing_worker(cli, stage):
    """No worker in time, none at all, no workflow, bad input."""
    run = stage.start(ORDER, b'{"customer": "a"}')
    late = cli("runs", "query", run, "total", "--within", "1ms")
    assert (late.code, "no worker answered within" in late.err) == (75, True)
    assert cli("runs", "query", run, "total", "--within", "1h").code == 2
    assert cli("runs", "query", run, "total", "ten").code == 2
    assert cli("runs", "query", stage.start(), "total").code == 8
    stage.do(CloseSession())
    none = cli("runs", "query", run, "total")
    assert (none.code, "no running worker has loaded order version 1" in none.err) == (75, True)
