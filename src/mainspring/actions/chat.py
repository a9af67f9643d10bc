"""Chat: send a text to any service that apprise knows, once for its key. It needs the extra `notify`."""

from mainspring.actions.base.project_settings import CURRENT_SECRETS
from mainspring.actions.base.sent_once import SentOnce
from mainspring.domain.duration import SpanInput
from mainspring.domain.errors import OptionError
from mainspring.domain.redaction.secret_name import SECRET_NAME, SET_SECRET_HINT
from mainspring.integrations.apprise import import_apprise, open_sender, send_by_apprise
from mainspring.integrations.base.channel_thread import ChannelThread
from mainspring.resources.error_text import ErrorText


def send(url_secret: str, title: str, body: str, *, once: str | None = None, within: SpanInput | None = None) -> None:
    """Send a text by the apprise address that the secret named `url_secret` has.

    Marks that mention people are made harmless.

    Safe to run twice because the ledger records the text under `once=`, in a step under the key of the step. Apprise returns only
    whether it could deliver. If it could not, and after a crash, the outcome is unknown and a person decides.

    Example:
        chat.send("TEAM_CHAT", "Backup", "The backup is done.", once=f"backup:{day}")

    Raises:
        OptionError: an argument cannot be used. ConfigError: the secret, or apprise is missing. Nothing is sent.
        EffectInDoubtError: it may have been sent, and only a person can decide.
    """
    sending = _Sending(url_secret, title, body, once, within)
    sending.call.perform(sending.deliver)


async def send_async(
    url_secret: str, title: str, body: str, *, once: str | None = None, within: SpanInput | None = None
) -> None:
    """Send a text, as `send` does, in an event loop.

    Safe to run twice because of the same record in the ledger.
    """
    sending = _Sending(url_secret, title, body, once, within)
    await sending.call.perform_async(sending.deliver)


class _Sending:
    """One text on its way: its sender, its call on record."""

    def __init__(self, url_secret: str, title: str, body: str, once: str | None, within: SpanInput | None) -> None:
        for name, text in (("title", title), ("body", body)):
            if not isinstance(text, str) or not text.strip():
                raise OptionError(f"chat.send has no {name}", hint=f'Write {name}="...".')
        if not isinstance(url_secret, str) or not SECRET_NAME.fullmatch(url_secret):  # it may be the address itself
            raise OptionError(
                "url_secret= of chat.send is not the name of a secret",
                hint=f'Write chat.send("TEAM_CHAT", ...). The value is the address. {SET_SECRET_HINT}',
            )
        self._title, self._body = title, body
        self._errors = ErrorText(CURRENT_SECRETS)
        self._sender = open_sender(url_secret, self._errors)
        self.call: SentOnce[None] = SentOnce(
            "chat.send",
            None,
            lambda: None,
            once=once,
            within=within,
            identity={"to": url_secret, "title": title},
            content=body,
        )

    async def deliver(self) -> None:
        """Send the text, in a thread of its own."""
        kind = import_apprise().NotifyType.INFO
        thread = ChannelThread("mainspring-apprise")
        await send_by_apprise(self._sender, self._title, self._body, kind, faults=self._errors, thread=thread)
