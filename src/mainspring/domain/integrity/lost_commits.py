"""Lost commits: those that a mark outside the store knows and the store does not."""

from datetime import UTC, datetime

import msgspec


class LostCommits(msgspec.Struct, frozen=True, kw_only=True):
    """Lost commits of one writer. `stored` = the number of the writer's last commit in the store (None = the store does not know the
    writer), `marked` = the number of its last known commit. The lost commits lie between `since_at` and `until_at` (ms UTC; `since_at`
    None = unknown).

    `act` = the number of an operation in the audit log that is missing or differs. `where` = whose mark it is. `server` = the server that
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
        """The problem in one line."""
        if self.stored is None:
            all_commits = (
                "the one commit of a process is" if self.marked == 1 else f"all {self.marked} commits of a process are"
            )
            problem = f"the store went back in time: {all_commits} missing"
        elif self.stored < self.marked:
            missing = self.marked - self.stored
            problem = f"the store went back in time: {missing} commit{'' if missing == 1 else 's'} missing"
        else:
            problem = "the store is not the one that was used here last: commits of that one are missing"
        span = f"up to {_format_instant(self.until_at)}"
        if self.since_at is not None and self.since_at <= self.until_at:
            span = f"between {_format_instant(self.since_at)} and {_format_instant(self.until_at)}"
        audit_text = "" if self.act is None else f"; the audit log lacks operation {self.act}"
        server_text = ""
        if self.server and self.server_now and self.server != self.server_now:
            server_text = f"; they were made on server {self.server}, this is server {self.server_now}"
        return f"{problem}, {span}{audit_text}{server_text}"


def _format_instant(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
