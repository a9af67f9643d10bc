"""Simulated faults are no news."""

import logging

import pytest


@pytest.fixture(autouse=True)
def _no_news():
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)
