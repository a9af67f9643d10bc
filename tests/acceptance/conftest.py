"""Fixtures of the acceptance tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.built_environment import built_environment
from tests.acceptance.receiver import Receiver
from tests.acceptance.works import Works
from tests.acceptance.wrapping import Place
from tests.otlp_collector import OtlpCollector

__all__ = ["built_environment"]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    made.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@pytest.fixture
def collector() -> Iterator[OtlpCollector]:
    made = OtlpCollector()
    yield made
    made.close()


@pytest.fixture
def works(place: Place) -> Iterator[Works]:
    made = Works(place)
    yield made
    made.close()
