"""Ten thousand things that go wrong at once, on every store: few messages, looks that end, and names that harm no one who reads them."""

import os
import time

import msgspec
import pytest

from mainspring.alerting.evaluation import Evaluator
from mainspring.alerting.inputs import monitor_inputs
from mainspring.domain.errors import StoreUnavailableError
from mainspring.domain.failures.failure import Failure
from mainspring.domain.incidents.incident import Finding, IncidentKind, Severity, Subject
from mainspring.domain.monitors.registry import DEFAULT_TUNINGS
from mainspring.domain.notifications.routing import NotificationRouting, NotificationTarget
from mainspring.domain.states import FailureReason, RunState
from mainspring.store.commands.exec_runs import RecordExecRun
from mainspring.store.commands.incidents import EvaluatedFinding, RecordEvaluation
from mainspring.store.read.incidents import MOST

WORDS = ("amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "heron", "ivory", "jetty")
FAILURES = 10_000
EVALUATE_WITHIN_S = 60.0
"""On a loaded machine; alone it takes a thirtieth of that."""


def words(number):
    """Different words for different numbers: nothing in them is taken for a varying part of one error."""
    return " ".join(WORDS[int(digit)] for digit in f"{number:05}")


def record(number, automation, message):
    failure = Failure("ValueError", "", message)
    return RecordExecRun(
        id=f"w{number}", automation=automation, kind="exec", version=1, title=None, trigger="exec", codec="json",
        input=b"[]", state=RunState.FAILED, started_at=1, finished_at=2, failure=failure,
        reason=FailureReason.PERMANENT_ERROR,
    )  # fmt: skip


class Dying:
    """The store of a watcher that dies after its first commit."""

    def __init__(self, store):
        self._store = store
        self.reader, self.clock = store.reader, store.clock
        self._is_over = False

    def apply(self, command):
        if self._is_over:
            raise StoreUnavailableError("it died")
        self._is_over = True
        return self._store.apply(command)


class Site:
    """A store that is looked at. `failures` = how many are many: a server needs a minute for all, so it has them only in `make torture`."""

    def __init__(self, store, failures):
        self.store = store
        self.failures = failures
        self.watch = self.watcher(store)

    @staticmethod
    def watcher(store):
        return Evaluator(
            store,
            store.clock,
            tunings={
                kind: msgspec.structs.replace(tuning, on=kind is IncidentKind.PERMANENT_ERROR)
                for kind, tuning in DEFAULT_TUNINGS.items()
            },
            routing=NotificationRouting(channels=("ops",), group_wait_ms=0),
            redact=str,
        )  # fmt: skip

    def fail(self, number, of=lambda number: ("a", "boom")):
        commands = [record(index, *of(index)) for index in range(number)]
        for place in range(0, number, 500):
            self.store.do(*commands[place : place + 500])
        self.other_incidents()

    def other_incidents(self):
        """Let each run be about another thing, as none that is wrapped is."""
        self.store.tamper("update failures set healthy = 'item', item = run where fingerprint is null")

    def evaluate_until_notified(self):
        """Look until nothing is new; return the longest look in seconds."""
        longest = 0.0
        for _ in range(self.failures // MOST + 2):
            started = time.monotonic()
            if not self.watch.evaluate_once():
                return longest
            longest = max(longest, time.monotonic() - started)
        raise AssertionError("it never ends")

    def count(self, text):
        ((number,),) = self.store.reader.read_text(text)
        return number


@pytest.fixture
def site(store, request):
    is_whole = "sqlite" in request.node.name or "TESTS_LONG" in os.environ
    return Site(store, FAILURES if is_whole else FAILURES // 5)


@pytest.mark.slow
def test_ten_thousand_failures_of_one_cause_are_one_message(site):
    """All are counted, in looks that end."""
    site.fail(site.failures)
    assert site.evaluate_until_notified() < EVALUATE_WITHIN_S
    assert site.count("select count(*) from alerts") == 1
    assert site.count("select number from error_groups") == site.failures
    assert site.count("select number from incidents") == site.failures


@pytest.mark.slow
@pytest.mark.parametrize(
    "of",
    [
        lambda number: ("a", words(number)),
        lambda number: (words(number).replace(" ", "-"), words(number)),
    ],
    ids=["one automation", "many automations"],
)
def test_failures_of_all_causes_are_few_messages(site, of):
    """Each has an error of its own, so that none of them explains another: what came at once is reported as one all the same."""
    number = site.failures * 3 // 20
    site.fail(number, of)
    assert site.evaluate_until_notified() < EVALUATE_WITHIN_S
    assert site.count("select count(*) from incidents where kind <> 'storm'") == number
    assert site.count("select count(*) from alerts") <= 3


def test_watcher_that_dies_during_an_evaluation_has_reported_its_groups(site):
    """A look of many causes is several commits: what the first one does not tell is the next watcher's."""
    site.fail(700, lambda number: ("a", words(number)))
    with pytest.raises(StoreUnavailableError):
        site.watcher(Dying(site.store)).evaluate_once()
    assert site.count("select count(*) from failures where fingerprint is not null") == 199, (
        "the storm, and the notifications that follow it"
    )
    site.evaluate_until_notified()
    assert site.count("select count(*) from incidents where kind = 'permanent_error'") == 700
    assert site.count("select sum(number) from incidents where kind = 'permanent_error'") == 700
    assert site.count("select sum(number) from error_groups") == 700


def test_storm_stays_open_and_counts_what_no_evaluation_reads(site, monkeypatch):
    """However few of its parts are at hand, it is not taken for empty; what joins it is added to all that it holds."""
    site.fail(30, lambda number: ("a", words(number)))
    site.evaluate_until_notified()
    monkeypatch.setattr(monitor_inputs, "_GROUPED_AT_MOST", 1)
    site.store.do(record(999, "a", words(31)))
    site.other_incidents()
    site.evaluate_until_notified()
    storm = "from incidents where kind = 'storm' and state = 'open'"
    assert site.count(f"select count(*) {storm} and text like '31 incidents with one cause%'") == 1
    assert site.count("select count(*) from alerts") == 1


def test_later_failure_of_another_automation_is_reported_next_to_a_storm(site):
    """What is wrong with many hides nothing that comes alone."""
    site.fail(20, lambda number: (words(number).replace(" ", "-"), words(number)))
    site.evaluate_until_notified()
    alert_count = site.count("select count(*) from alerts")
    site.store.do(record(999, "backup", "the disk is away"))
    site.evaluate_until_notified()
    assert site.count("select count(*) from alerts") == alert_count + 1


def test_ten_thousand_open_incidents_are_read(site):
    """The table is read, judged and reminded of in a time that is bounded; a failure among them is reported."""
    for place in range(0, site.failures, 500):
        found = tuple(
            EvaluatedFinding(
                id=f"i{number:05}",
                finding=Finding(
                    subject=Subject(f"a{number}", IncidentKind.PERMANENT_ERROR, f"f{number}"),
                    severity=Severity.NOTIFY,
                    text="it broke",
                    since_at=1,
                ),
                to=(NotificationTarget(0, "ops"),),
            )
            for number in range(place, place + 500)
        )
        site.store.do(RecordEvaluation(started_at=site.store.clock.now(), found=found))
    site.store.tamper(
        "insert into failures (run, automation, state, at, fingerprint, item, incident, opened)"
        " select 'r_' || id, automation, 'failed', 1, fingerprint, id, id, 1 from incidents"
    )
    alert_count = site.count("select count(*) from alerts")
    site.evaluate_until_notified()  # gives each the words of its monitor, one statement after another
    site.store.do(record(1, "a", "boom"))
    assert site.evaluate_until_notified() < EVALUATE_WITHIN_S
    assert site.count("select count(*) from alerts") == alert_count + 1
