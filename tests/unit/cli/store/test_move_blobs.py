"""`mainspring db move-blobs`, and what doctor says of the bucket."""

import pytest

from tests.unit.actions.s3.s3_server import BUCKET
from tests.unit.app.test_blobs_in_s3 import server

__all__ = ["server"]


@pytest.fixture
def move(cli, stage, server):
    stage.store.close()  # no process uses it

    def call(to, *words):
        return cli("db", "move-blobs", "--to", to, "--region", "us-east-1", "--endpoint", server.endpoint, *words)

    return call


def test_move_prints_the_new_place(cli, move, server):
    """And doctor reads the bucket from then on, and names what is wrong there."""
    (found,) = [check for check in cli("doctor", "--json").json if check["name"] == "large-values"]
    assert found["text"].endswith(".db.blobs")
    done = move(f"s3://{BUCKET}/large")
    assert done.code == 0
    assert f"to s3://{BUCKET}/large/" in done.out
    (found,) = [check for check in cli("doctor", "--json").json if check["name"] == "large-values"]
    assert (found["state"], found["text"].startswith(f"s3://{BUCKET}/large/")) == ("ok", True)
    server.fault = lambda request: 403
    (found,) = [check for check in cli("doctor", "--json").json if check["name"] == "large-values"]
    assert found["state"] == "problem"
    assert "aws s3 ls" in found["fix"]
    operations = cli("audit-log", "list", "--json").json
    assert any(operation["verb"] == "move-blobs" for operation in operations)
    server.fault = lambda request: None
    back = move("store")
    assert (back.code, "from s3://" in back.out) == (0, True)


@pytest.mark.parametrize(
    ("to", "words"),
    [
        ("gs://bucket/a", "Write --to s3://BUCKET/PREFIX"),
        ("s3://B/a", "is not an address of S3"),
        ("store", "beside the store already"),
    ],
)
def test_bad_place_is_named_with_its_fix(move, to, words):
    """The error names what to write instead."""
    refused = move(to)
    assert refused.code != 0
    assert words in refused.err
