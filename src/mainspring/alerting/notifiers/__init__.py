"""Notifiers: one file for each kind of channel. Each imports what it needs beyond the core when it is used."""

from mainspring.alerting.notifiers.base import ChannelLink
from mainspring.domain.clock import Clock
from mainspring.domain.notifications.channel_address import ChannelAddress, ChannelKind
from mainspring.resources.error_text import ErrorText


def open_link(channel: ChannelAddress, faults: ErrorText, clock: Clock) -> ChannelLink:
    """Return the link to a channel. `faults` resolves its secrets for each notice, so that a replaced one counts at once."""
    match channel.kind:
        case ChannelKind.SLACK:
            from mainspring.alerting.notifiers.slack import SlackLink

            return SlackLink(channel, faults, clock)
        case ChannelKind.PAGERDUTY:
            from mainspring.alerting.notifiers.pagerduty import PagerDutyLink

            return PagerDutyLink(channel, faults, clock)
        case ChannelKind.MAIL:
            from mainspring.alerting.notifiers.mail import MailLink

            return MailLink(channel, faults)
        case ChannelKind.WEBHOOK:
            from mainspring.alerting.notifiers.webhook import WebhookLink

            return WebhookLink(channel, faults, clock)
        case ChannelKind.APPRISE:
            from mainspring.alerting.notifiers.apprise import AppriseLink

            return AppriseLink(channel, faults)
        case ChannelKind.TERMINAL:
            from mainspring.alerting.notifiers.terminal import TerminalLink

            return TerminalLink()
