"""The pytest plugin: the fixture `lab`, and the marker that says which automations it has.

    @pytest.mark.mainspring("automations/orders.py")
    def test_order(lab):
        assert lab.start("order", 7).result() == "paid"

An `async def` test gets a Lab, any other test a SyncLab. pytest loads this file in every project that has Mainspring: it imports nothing.
"""

import inspect
from collections.abc import Iterator
from typing import Any

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Explain the marker."""
    config.addinivalue_line(
        "markers",
        "mainspring(*files, at, seed, secrets): the automations and options of the fixture `lab`, as of Lab(...)",
    )


@pytest.fixture
def lab(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Give a lab: a store, a worker and the triggers on a clock that only the test moves."""
    from mainspring.testing.lab.lab import Lab  # noqa: PLC0415 - only tests with a lab need all of Mainspring

    marker = request.node.get_closest_marker("mainspring")
    made = Lab(*(marker.args if marker else ()), **(marker.kwargs if marker else {}))
    with made as blocking:
        yield made if inspect.iscoroutinefunction(request.function) else blocking
