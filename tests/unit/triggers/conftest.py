"""Fixtures of the tests of consumers."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mainspring.store import failpoints
from tests.unit.triggers.inbox import Inbox, Opens


@pytest.fixture
def opens(tmp_path: Path) -> Iterator[Opens]:
    """Opens inboxes, by the options of `Files.parse`."""
    made: list[Inbox] = []

    def open_inbox(folder: str = "inbox", **options: Any) -> Inbox:
        made.append(Inbox(tmp_path / folder, **options))
        return made[-1]

    yield open_inbox
    failpoints.install(None)
    for inbox in made:
        inbox.close()
