"""Open command, `mainspring open`: a link that opens the pages once. A user who can write the store may sign in, so it creates the link."""

from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy_group import command


@command("open", "print a one-time link that opens the dashboard")
@pass_invocation
def open_command(invocation: Invocation) -> None:
    """The link signs you in as admin. It works once, within ten minutes. The web process of `mainspring up` must be running."""
    from mainspring.app.processes.listen_addresses import read_settings_in_use
    from mainspring.domain.access.permissions import STARTUP_LINK_LIFETIME_MS
    from mainspring.service.access.people import offer_link

    until_at = invocation.clock.now() + STARTUP_LINK_LIFETIME_MS
    token = offer_link(invocation.store, clock=invocation.clock, act=invocation.act)
    web = read_settings_in_use(invocation.settings, invocation.reader).web
    link = f"{web.seen_as}/first?token={token}"
    invocation.output.document({"link": link, "until_at": until_at}, link)
