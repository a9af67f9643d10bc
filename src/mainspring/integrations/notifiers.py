"""All notifiers by the scheme of their addresses, one line for each kind of channel."""

from importlib import import_module

from mainspring.domain.clock import Clock
from mainspring.domain.errors import OptionError
from mainspring.domain.notifications.channel_name import TERMINAL
from mainspring.domain.text.escaping import escape, is_plain_line
from mainspring.integrations.base.channel_address import AddressParts, ChannelAddress
from mainspring.integrations.base.notifier import ChannelLink, ErrorFormatter, NotifierPlugin

NOTIFIERS = {
    "slack": "slack",
    "pagerduty": "pagerduty",
    **dict.fromkeys(("smtps", "starttls", "smtp"), "mail"),
    **dict.fromkeys(("webhook+https", "webhook+http"), "standard_webhooks"),
    "apprise": "apprise",
    TERMINAL: "terminal",
}
"""The module of each scheme: its `NOTIFIER` is imported when an address names it."""
_LONGEST = 1_000


def find_notifier(scheme: str) -> NotifierPlugin:
    """Return the notifier of a scheme. Raises KeyError if there is none."""
    notifier: NotifierPlugin = import_module(f"mainspring.integrations.{NOTIFIERS[scheme]}").NOTIFIER
    return notifier


def read_channel_address(address: object) -> ChannelAddress:
    """Parse the address of a channel.

    Raises:
        OptionError: it is invalid, or has a secret in it, which is not repeated.
        UnknownNameError: it has a parameter that this kind does not know.
    """
    if not isinstance(address, str) or len(address) > _LONGEST or not is_plain_line(address):
        raise OptionError("the address of a channel must be one line of text", hint=_list_forms())
    if address == TERMINAL:
        address = f"{TERMINAL}://"
    scheme, separator, _ = address.partition("://")
    if not separator or scheme not in NOTIFIERS:
        start = escape(scheme, 20) + separator if separator else ""
        raise OptionError(f"no channel has an address of this form: {start!r}", hint=_list_forms())
    notifier = find_notifier(scheme)
    return notifier.read_address(AddressParts.of(address, notifier.form))


def open_link(channel: ChannelAddress, faults: ErrorFormatter, clock: Clock) -> ChannelLink:
    """Return the link to a channel. `faults` resolves its secrets for each notice, so that a replaced one counts at once."""
    return find_notifier(channel.scheme).open_link(channel, faults, clock)


def _list_forms() -> str:
    forms = dict.fromkeys(find_notifier(scheme).form for scheme in NOTIFIERS)
    return "Write one of\n" + "\n".join(f"  {form}" for form in forms)
