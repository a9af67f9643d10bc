"""The order: approved, refused, left unanswered, and killed while it waits."""

from tests.examples.lab import Lab, await_that

ORDER = ("order_approval.py", "order-approval", "number=7", "ledger=ledger.txt", "--key", "order:7")


def ledger(lab: Lab) -> list[str]:
    """Return what the other side has done, in order."""
    path = lab.folder / "ledger.txt"
    return [line.partition("\t")[2] for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def start_order(lab: Lab, *arguments: str) -> None:
    """Begin an order, wait for its question, and kill the worker that holds it."""
    process = lab.begin(*ORDER, "cents=12900", *arguments)
    await_that(lambda: len(ledger(lab)) == 2, "the charge")
    await_that(lambda: lab.show()["waiting_for"], "the question")
    process.kill()
    process.wait()


def test_small_order_is_shipped_unasked(lab: Lab) -> None:
    """Below the limit no one is asked."""
    assert lab.run(*ORDER, "cents=900") == "parcel-7"
    assert ledger(lab) == ["reserve order 7", "charge order 7: 900", "ship order 7"]


def test_approved_order_is_charged_once_though_its_worker_was_killed(lab: Lab) -> None:
    """Killed while it waits, answered while nothing runs, it ships at the next start; nothing is done twice."""
    start_order(lab)
    lab.call("runs", "answer", "@last", "ship")
    assert lab.run(*ORDER, "cents=12900") == "parcel-7"
    assert ledger(lab) == ["reserve order 7", "charge order 7: 12900", "ship order 7"]


def test_refused_order_is_undone_newest_first(lab: Lab) -> None:
    """Refused, each step is undone, the last one first, and the run says so."""
    start_order(lab)
    lab.call("runs", "answer", "@last", "refuse")
    lab.run(*ORDER, "cents=12900", code=5)
    assert ledger(lab)[2:] == ["refund order 7: 12900 (payment-7)", "release order 7"]
    assert lab.show()["reason"] == "rolled_back"


def test_unanswered_order_is_refused_in_time(lab: Lab) -> None:
    """Without an answer within the time the default holds."""
    lab.run(*ORDER, "cents=12900", "answer_within=300ms", code=5)
    assert ledger(lab)[-1] == "release order 7"
