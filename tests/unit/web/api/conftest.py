"""The API on a new file, asked in this process."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api_world import ApiWorld, sqlite_world


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ApiWorld]:
    found = sqlite_world(tmp_path)
    yield found
    found.api.close()
    found.store.close()
