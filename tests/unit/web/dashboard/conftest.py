"""The pages on a new file."""

import pytest

from tests.unit.web.dashboard.page_world import PageWorld


@pytest.fixture
def world(tmp_path):
    found = PageWorld(tmp_path / "s.db")
    yield found
    found.close()
