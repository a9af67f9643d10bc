"""Email: send a mail by SMTP once for its key, and render its texts from templates."""

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from mainspring.actions.base.account import AccountKind, find_account
from mainspring.actions.base.mailbox import Mailbox, read_mailbox, read_mailboxes
from mainspring.actions.base.sent_once import SentOnce
from mainspring.domain.duration import SpanInput, parse_duration
from mainspring.domain.errors import MainspringError, OptionError
from mainspring.engine.attempts.step_context import CURRENT_STEP
from mainspring.integrations.mail import read_login, read_mail_server

if TYPE_CHECKING:
    from mainspring.actions.base.mail_message import MailMessage

Recipients = str | Sequence[str]
Attachment = str | PathLike[str] | tuple[str, bytes]
MAX_ATTACHMENTS = 20 * 1024 * 1024
"""Bytes of all attachments of a mail together."""
_SERVER = AccountKind(
    "mail", ("smtps", "starttls", "smtp"), "smtps://secret:NAME@HOST:465?from=FROM@EXAMPLE.COM", read_mail_server
)


class SentEmail(msgspec.Struct, frozen=True):
    """A mail that the server accepted. `refused` = the recipients that it did not accept, each with its reply."""

    message_id: str
    accepted: tuple[str, ...]
    refused: dict[str, str]


def send(
    to: Recipients,
    subject: str,
    *,
    text: str | None = None,
    html: str | None = None,
    sender: str | None = None,
    cc: Recipients = (),
    bcc: Recipients = (),
    reply_to: Recipients = (),
    attachments: Sequence[Attachment] = (),
    server: str | None = None,
    once: str | None = None,
    within: SpanInput | None = None,
    check: Callable[[str], Any] | None = None,
    timeout: SpanInput = "5m",
    max_attachments: int = MAX_ATTACHMENTS,
) -> SentEmail:
    """Send a mail.

    `server` = an address such as "smtps://secret:SMTP@mail.example.com?from=billing@example.com", or the name of a channel in
    [notify.channels]; without it the only mail server there. `sender` overrides `from=`. An attachment is a path, or (name, bytes).
    `timeout` = the longest time of the whole connection.

    Safe to run twice because the ledger records the mail under `once=`, in a step under the key of the step. A connection that is lost
    before the end of the mail proves that it was not sent. After that the outcome is unknown: `check(message_id)` asks your mailbox or
    mail log, without it a person decides. The mail has the same Message-ID and date in each attempt, so a repeated one is recognizable.

    Example:
        email.send("ann@example.com", "Invoice 7", text="...", once="invoice:7")

    Raises:
        OptionError, UnknownNameError, ConfigError: an argument or the server cannot be used; nothing is sent.
        Permanent: the server refuses the mail, the sign-in or all recipients, or an attachment cannot be sent.
        NotSent: the server is away or refuses for now; a retry can help.
        EffectInDoubtError: it may have been sent, and only a person can decide.
    """
    draft = _Draft(to, subject, text, html, sender, cc, bcc, reply_to, attachments, max_attachments)
    sending = _Sending(draft, server, once, within, check, timeout)
    return sending.call.perform(sending.deliver)


async def send_async(
    to: Recipients,
    subject: str,
    *,
    text: str | None = None,
    html: str | None = None,
    sender: str | None = None,
    cc: Recipients = (),
    bcc: Recipients = (),
    reply_to: Recipients = (),
    attachments: Sequence[Attachment] = (),
    server: str | None = None,
    once: str | None = None,
    within: SpanInput | None = None,
    check: Callable[[str], Any] | None = None,
    timeout: SpanInput = "5m",
    max_attachments: int = MAX_ATTACHMENTS,
) -> SentEmail:
    """Send a mail, as `send` does, in an event loop; `check` may be async.

    Safe to run twice because of the same record in the ledger.
    """
    draft = _Draft(to, subject, text, html, sender, cc, bcc, reply_to, attachments, max_attachments)
    sending = _Sending(draft, server, once, within, check, timeout)
    return await sending.call.perform_async(sending.deliver)


def render(template: str | Path, values: Mapping[str, Any], *, html: bool | None = None) -> str:
    """Return the text of a Jinja2 template with its values. A value that is missing is an error; a template cannot run code.

    `template` is its text, or a Path, whose folder it may include other templates from. In HTML all values are escaped. `html` None =
    a path decides by its name (`.html`, `.html.j2`), and any other template is plain text.

    Safe to run twice because it only reads.

    Example:
        email.send("ann@example.com", "Invoice", html=email.render(Path("invoice.html"), {"name": "Ann"}))

    Raises:
        OptionError: the template cannot be used.
    """
    from mainspring.actions.base.mail_template import render_template

    return render_template(template, values, html=html)


class _Draft(NamedTuple):
    """The arguments of a mail, not checked yet."""

    to: Recipients
    subject: str
    text: str | None
    html: str | None
    sender: str | None
    cc: Recipients
    bcc: Recipients
    reply_to: Recipients
    attachments: Sequence[Attachment]
    max_attachments: int


class _Sending:
    """One mail on its way: its message, its server, its call on record."""

    def __init__(
        self,
        draft: _Draft,
        server: str | None,
        once: str | None,
        within: SpanInput | None,
        check: Callable[[str], Any] | None,
        timeout: SpanInput,
    ) -> None:
        if check is not None and once is None and CURRENT_STEP.get() is None:
            raise OptionError(
                "check= of email.send needs once= (outside of a step)",
                hint='Name the effect: once="report:2026-01-05".',
            )
        account = find_account(_SERVER, server)
        self._errors = account.errors
        self._timeout_s = parse_duration(timeout).total_seconds()
        if not self._timeout_s:
            raise OptionError(f"timeout={timeout!r}: the duration must be greater than zero")
        self._message = _make_message(draft, account.address.sender)
        self._server = msgspec.structs.replace(account.address, sender=self._message.sender.address)
        read_login(self._server.secret, self._errors)  # a login that cannot be used is refused before anything is sent
        self._check = check
        self.call: SentOnce[SentEmail] = SentOnce(
            "email.send",
            SentEmail,
            self._sent_to_all,
            once=once,
            within=within,
            identity=self._message.identity,
            content=self._message.content,
            check=None if check is None else self._find,
            errors=self._errors,
        )

    async def deliver(self) -> SentEmail:
        """Send the mail, by a connection in a thread of its own."""
        from mainspring.actions.base.mail_errors import error_of_mail
        from mainspring.integrations.base.channel_thread import ChannelThread
        from mainspring.integrations.mail_connection import SmtpConversation

        key, recipients = self.call.message_key, self._message.recipients
        mail = self._message.build(key)
        login = read_login(self._server.secret, self._errors)
        conversation = SmtpConversation(self._server, login, self._timeout_s)
        try:
            refused = await conversation.run(ChannelThread("mainspring-mail"), mail, self._timeout_s, recipients)
        except MainspringError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a library raises, the connection knows what it proves
            raise error_of_mail(error, conversation, self._server, self._errors) from None
        accepted = tuple(address for address in recipients if address not in refused)
        return SentEmail(self._message.message_id(key), accepted, refused)

    def _sent_to_all(self) -> SentEmail:
        return SentEmail(self._message.message_id(self.call.message_key), self._message.recipients, {})

    def _find(self) -> Any:
        assert self._check is not None
        found = self._check(self._message.message_id(self.call.message_key))
        return _await_found(found) if inspect.isawaitable(found) else _read_found(found)


async def _await_found(found: Awaitable[Any]) -> Any:
    return _read_found(await found)


def _read_found(found: Any) -> Any:
    """Return what a check has found: a result, True for a mail without one, None for no mail."""
    return found if isinstance(found, SentEmail) else bool(found) or None


def _make_message(draft: _Draft, default_sender: str) -> "MailMessage":
    from mainspring.actions.base.mail_message import MailMessage

    message = MailMessage(
        sender=_read_sender(draft.sender or default_sender),
        to=read_mailboxes("to", draft.to),
        cc=read_mailboxes("cc", draft.cc),
        bcc=read_mailboxes("bcc", draft.bcc),
        reply_to=read_mailboxes("reply_to", draft.reply_to),
        subject=draft.subject,
        text=draft.text,
        html=draft.html,
        attachments=tuple(draft.attachments),
        max_attachments=draft.max_attachments,
    )
    message.check()
    return message


def _read_sender(sender: str) -> Mailbox:
    if not sender:
        raise OptionError(
            "email.send has no sender", hint='Write sender="billing@example.com", or from= in the address.'
        )
    return read_mailbox("sender", sender)
