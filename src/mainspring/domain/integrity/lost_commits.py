"""Lost commits: what a mark outside the store knows and the store does not."""

from datetime import UTC, datetime

import msgspec


class LostCommits(msgspec.Struct, frozen=True, kw_only=True):
    """`stored` = the number of the writer's last commit in the store (None = the store does not know the writer), `marked` = the number of
    its last commit that was known. The lost commits lie between `since_at` and `until_at` (ms UTC; `since_at` None = unknown).

    `act` = an act of the audit log that is missing, or is another one: its number. `where` = whose mark it is. `server` = the server that
    committed them, `server_now` the one that lacks them.
    """

    stored: int | None
    marked: int
    since_at: int | None
    until_at: int
    where: str
    act: int | None = None
    server: str = ""
    server_now: str = ""
    epoch: int = 0
    """The highest epoch that a mark knows."""
    found_at: int = 0
    """When the store was put on hold for it; 0 = it is not on hold yet."""

    @property
    def text(self) -> str:
        """What is wrong, in one line."""
        if self.stored is None:
            every = (
                "the one commit of a process is" if self.marked == 1 else f"all {self.marked} commits of a process are"
            )
            what = f"the store went back in time: {every} missing"
        elif self.stored < self.marked:
            missing = self.marked - self.stored
            what = f"the store went back in time: {missing} commit{'' if missing == 1 else 's'} missing"
        else:
            what = "the store is not the one that was used here last: commits of that one are missing"
        span = f"up to {_format_instant(self.until_at)}"
        if self.since_at is not None and self.since_at <= self.until_at:
            span = f"between {_format_instant(self.since_at)} and {_format_instant(self.until_at)}"
        acts = "" if self.act is None else f"; the audit log lacks act {self.act}"
        moved = ""
        if self.server and self.server_now and self.server != self.server_now:
            moved = f"; they were made on server {self.server}, this is server {self.server_now}"
        return f"{what}, {span}{acts}{moved}"


def _format_instant(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
