"""The backup: the archive is at S3 once, and another content never replaces it."""

from tests.examples.lab import Lab
from tests.unit.actions.s3.s3_server import BUCKET, KEYS, serving_s3


def test_backup_is_uploaded_once_and_never_replaced(lab: Lab) -> None:
    """A second run of the day sends nothing; with other files it fails, and the first backup stays."""
    (lab.folder / "data").mkdir()
    (lab.folder / "data" / "a.txt").write_text("a")
    with serving_s3() as server:
        access, secret = KEYS.split(":")
        lab.env |= {"AWS_ENDPOINT_URL": server.endpoint, "AWS_ACCESS_KEY_ID": access, "AWS_SECRET_ACCESS_KEY": secret}
        words = ("offsite_backup.py", "offsite-backup", "folder=data", f"bucket={BUCKET}", "day=2026-11-30")
        assert lab.run(*words) == lab.run(*words) == f"s3://{BUCKET}/2026-11-30.tar.gz"
        (lab.folder / "data" / "b.txt").write_text("b")
        lab.run(*words, code=5)
        assert server.sent() == ["PUT 2026-11-30.tar.gz"]
        assert server.versions("2026-11-30.tar.gz") == 1
