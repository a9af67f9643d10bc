"""An S3 for each test, and the options that lead to it."""

import pytest

from tests.unit.actions.s3 import s3_steps
from tests.unit.actions.s3.s3_server import KEYS, S3Server, serving_s3


@pytest.fixture
def server(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("MAINSPRING_SECRET_S3", KEYS)
    with serving_s3() as server:
        monkeypatch.setenv(s3_steps.ENDPOINT, server.endpoint)
        yield server


@pytest.fixture
def options(server: S3Server):
    return s3_steps.options()
