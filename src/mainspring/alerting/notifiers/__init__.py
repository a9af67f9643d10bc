"""How each kind of channel is told. One file a kind; what it needs beside the core is imported when it is used."""

from mainspring.alerting.notifiers.base import ChannelLink
from mainspring.domain.clock import Clock
from mainspring.domain.notifications.channel_address import ChannelAddress, ChannelKind
from mainspring.resources.error_text import ErrorText


def open_link(channel: ChannelAddress, faults: ErrorText, clock: Clock) -> ChannelLink:
    """Return what tells a channel; `faults` is asked for its secrets with each notice, so that a replaced one counts at once."""
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
