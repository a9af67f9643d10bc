"""What the tests of the configuration share."""

import pytest

from mainspring.config import load


@pytest.fixture
def read(tmp_path):
    """Load a file's text with variables and flags."""

    def read(text="", env=None, flags=None):
        (tmp_path / "mainspring.toml").write_text(text)
        return load(env={"HOME": "/home/u", **(env or {})}, cwd=tmp_path, uid=1234, flags=flags or {})

    return read
