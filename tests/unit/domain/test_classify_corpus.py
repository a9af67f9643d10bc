"""The classifier against exceptions that the real libraries raised here and now, labelled by hand."""

import gc
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from mainspring.domain.failures.classifier import Verdict, classify
from mainspring.domain.failures.failure import Failure
from mainspring.domain.failures.fingerprint import fingerprint_of
from tests.brokers import nats_server, valkey_server
from tests.postgres_server import PostgresServer
from tests.unit.domain import corpus_services, corpus_system, corpus_web
from tests.unit.domain.corpus import AUTH, VALID, Case, P, raised

pytestmark = pytest.mark.xdist_group("corpus")  # what is made for all of them is made once


class ClassifiedCase(NamedTuple):
    case: Case
    failure: Failure
    verdict: Verdict


@pytest.fixture(scope="module")
def classified_cases(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> list[ClassifiedCase]:
    """Have each of them raised once."""
    folder = tmp_path_factory.mktemp("corpus")
    with ExitStack() as stack, _leaving():
        mail = stack.enter_context(closing(corpus_services.MailWorld()))
        web = stack.enter_context(closing(corpus_web.WebWorld(folder)))
        valkey = _broker(stack, valkey_server.program, valkey_server.ValkeyServer)
        nats = _broker(stack, nats_server.program, nats_server.NatsServer)
        postgres.make_database("corpus")
        return [
            *_classify(corpus_system.cases(folder)),
            *_classify(corpus_web.cases(web)),
            *_classify(corpus_services.of_validators()),
            *_classify(corpus_services.of_apsw(folder)),
            *_classify(corpus_services.of_amqp()),
            *_classify(corpus_services.of_mail(mail)),
            *_classify(corpus_services.of_redis(valkey.port)),
            *_classify(corpus_services.of_nats(nats.port)),
            *_classify(corpus_services.of_postgres(postgres.url("corpus"))),
        ]


@contextmanager
def _leaving() -> Iterator[None]:
    """Let libraries that failed leave their connections to the collector, and have it collect them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
        gc.collect()


def _broker(stack: ExitStack, program: Callable[[], Path | None], make: Callable[[], Any]) -> Any:
    if program() is None:
        assert not os.environ.get("CI"), "its tests are not run"
        pytest.skip("a broker is not installed here")
    server = make().start()
    stack.callback(server.kill)
    return server


def _classify(cases: Iterator[Case]) -> list[ClassifiedCase]:
    found = []
    for case in cases:
        error = raised(case)
        verdict = classify(error)
        found.append(ClassifiedCase(case, Failure.of(error, verdict), verdict))
    return found


def test_corpus_is_large_and_has_every_sort(classified_cases):
    """At least 120; many are refused log-ins and refused values. No name twice."""
    sorts = [classified.case.sort for classified in classified_cases]
    assert len(classified_cases) >= 300
    assert sorts.count(AUTH) >= 40
    assert sorts.count(VALID) >= 80
    assert len({classified.case.name for classified in classified_cases}) == len(classified_cases)


def test_classifier_is_right_about_what_libraries_raise(classified_cases):
    """At least 95 of 100 get the kind that a person gave them."""
    errors = [
        f"{classified.case.name}: {classified.verdict.kind}, not {classified.case.kind}"
        for classified in classified_cases
        if classified.verdict.kind is not classified.case.kind
    ]
    assert len(errors) <= 0.05 * len(classified_cases), errors


def test_classifier_never_tries_a_refused_log_in_or_value_again(classified_cases):
    """Each of them is permanent: unknown would be tried again too."""
    again = [
        (classified.case.name, classified.verdict)
        for classified in classified_cases
        if classified.case.sort in (AUTH, VALID) and classified.verdict.kind is not P
    ]
    assert again == []


def test_fingerprint_is_the_same_when_the_same_call_fails_again(classified_cases, tmp_path):
    """In another folder, against servers on other ports, what the libraries say has the same fingerprint."""
    with _leaving(), closing(corpus_web.WebWorld(tmp_path)) as web:
        again = [
            *_classify(corpus_system.cases(tmp_path)),
            *_classify(corpus_web.cases(web)),
            *_classify(corpus_services.of_validators()),
        ]
    first = {classified.case.name: fingerprint_of(classified.failure) for classified in classified_cases}
    other = [
        (classified.case.name, fingerprint_of(classified.failure), first[classified.case.name]) for classified in again
    ]
    assert [pair for pair in other if pair[1] != pair[2]] == []
    assert len(again) > 200
