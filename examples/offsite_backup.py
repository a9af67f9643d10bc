"""A folder, packed and uploaded to S3 under a name that is never overwritten; old archives are removed here, not there.

    export AWS_ENDPOINT_URL=http://127.0.0.1:5000 AWS_ACCESS_KEY_ID=a AWS_SECRET_ACCESS_KEY=b    # python -m moto.server
    mainspring run offsite-backup -m examples/offsite_backup.py folder=data bucket=backups day=2026-11-30

Teaches: steps that are actions, without code of your own; an archive that has the same bytes when it is packed again; an upload that a
crash does not repeat, and that never replaces an earlier backup.
"""

import mainspring as ms
from mainspring.actions import files, s3


@ms.workflow(name="offsite-backup", owner="you")
async def offsite_backup(run: ms.Run, folder: str, bucket: str, day: str) -> str:
    """Pack a folder, upload the archive, and keep the newest 7 archives here."""
    archive = await run.step(files.archive, folder, f"archives/{day}.tar.gz", make_folders=True)
    address = f"s3://{bucket}/{day}.tar.gz"
    await run.step(s3.upload, archive, address, if_absent=True, region="eu-west-1")
    await run.step(files.prune, "archives", keep=7, pattern="*.tar.gz")
    return address
