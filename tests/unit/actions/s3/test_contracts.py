"""S3 actions keep the contract of actions, at a server that counts the versions of each object."""

import pytest

from mainspring.actions.files.temporary import is_temporary
from mainspring.actions.s3.uploads import _PartsUpload
from mainspring.testing import ActionContract
from tests.unit.actions.kills import TIMEOUT_S, check_contract
from tests.unit.actions.s3 import s3_steps
from tests.unit.actions.s3.s3_server import KEYS, SECRET

CONTENT = b"0123456789" * 20_000
pytestmark = [pytest.mark.slow, pytest.mark.timeout(TIMEOUT_S)]


def check(tmp_path, action, args, effects, **options):
    folder = tmp_path / "store"
    folder.mkdir()
    contract = ActionContract(
        action,
        args=args,
        effects=effects,
        secrets=[SECRET],
        environment={"MAINSPRING_SECRET_S3": KEYS},
        **options,
    )
    check_contract(contract, folder)


def test_put_keeps_the_contract(server, tmp_path):
    """Each object is written once."""
    check(
        tmp_path,
        s3_steps.put_report,
        lambda number: [number],
        lambda number: server.versions(f"report-{number}"),
        failpoints=["s3.written"],
    )


def test_upload_in_parts_keeps_the_contract(server, tmp_path):
    """It is resumed, so that no parts are left, wherever the process was killed."""
    source = tmp_path / "backup.db"
    source.write_bytes(s3_steps.BIG)
    check(
        tmp_path,
        s3_steps.upload_backup,
        lambda number: [number, str(source)],
        lambda number: server.versions(f"backup-{number}"),
        failpoints=["s3.created", "s3.part_uploaded", "s3.written"],
        lines_of=_PartsUpload._finish,
        temporary=server.forgotten_uploads,
    )


def test_download_keeps_the_contract(server, tmp_path):
    """The file is complete, or not there."""
    server.put("source", CONTENT)
    data = tmp_path / "data"
    data.mkdir()

    def count(number):
        path = data / f"{number}.bin"
        assert not path.exists() or path.read_bytes() == CONTENT
        return int(path.exists())

    check(
        tmp_path,
        s3_steps.download_backup,
        lambda number: [number, str(data)],
        count,
        failpoints=["files.written", "files.published"],
        temporary=lambda: sum(is_temporary(path.name) for path in data.iterdir()),
    )


def test_sync_keeps_the_contract(server, tmp_path):
    """One effect = both files are there, and the one that is not in the folder is gone."""
    site = tmp_path / "site"
    (site / "below").mkdir(parents=True)
    (site / "index.html").write_text("index")
    (site / "below" / "a.css").write_text("a")

    def args(number):
        server.put(f"site-{number}/old", b"old")
        return [number, str(site)]

    def count(number):
        names = [key.partition("/")[2] for key in server.list_keys() if key.startswith(f"site-{number}/")]
        return int(sorted(names) == ["below/a.css", "index.html"])

    check(tmp_path, s3_steps.sync_folder, args, count)
