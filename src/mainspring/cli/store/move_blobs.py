"""`mainspring db move-blobs`: move the large values of the store to a bucket, or back beside the store."""

import click

from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy_group import command


@command("move-blobs", "move the large values of the store to a bucket of S3, or back")
@click.option("--to", metavar="PLACE", required=True, help="s3://BUCKET/PREFIX, or `store`: beside the store")
@click.option("--region", help="region of the bucket; the default is that of the environment or the profile")
@click.option("--endpoint", metavar="URL", help="another server than Amazon's")
@pass_invocation
def move_blobs(invocation: Invocation, *, to: str, region: str | None, endpoint: str | None) -> None:
    """Nothing may use the store meanwhile. The place is recorded in the store, so all processes find it there. If the move is interrupted,
    run the same command again: it continues. The old copies stay until you delete them.
    """
    from mainspring.app.project import Project
    from mainspring.app.stores.blob_move import move_blobs as move

    Project.install_failpoints()
    invocation.require_store()
    done = move(
        invocation.settings.store.url,
        to,
        region=region,
        endpoint=endpoint,
        act=invocation.act,
        clock=invocation.machine_clock,
        report=invocation.output.hint,
    )
    text = f"Moved {done.blobs:,} large values from {done.source} to {done.target}. The old copies stay; delete them when you like."
    invocation.output.document(done, text)
