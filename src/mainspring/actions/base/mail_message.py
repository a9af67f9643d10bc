"""The message of a mail: its mailboxes, texts and attachments, checked before anything is sent.

Invariants: no text of the caller can add a header or a recipient; the same key makes the same Message-ID and the same date. A message has
lines of 7-bit characters only, so that every server accepts it; a mailbox with other characters before its @ is the one exception.
"""

import mimetypes
import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import Path

import msgspec

from mainspring.actions.base.mailbox import Mailbox, has_encoded_word
from mainspring.domain.errors import OptionError, Permanent
from mainspring.domain.ids import read_instant
from mainspring.domain.text.escaping import escape, is_plain_line
from mainspring.integrations.mail_connection import make_message_id

Attachment = str | os.PathLike[str] | tuple[str, bytes]
_LONGEST_SUBJECT = 2_000
_POLICY = SMTP.clone(cte_type="7bit")
_MIB = 1024 * 1024


class PlainText(str):
    """A text whose values are not escaped: it is no HTML."""

    __slots__ = ()


class MailMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message, not yet built. `max_attachments` = the most bytes of all attachments together."""

    sender: Mailbox
    to: tuple[Mailbox, ...]
    cc: tuple[Mailbox, ...]
    bcc: tuple[Mailbox, ...]
    reply_to: tuple[Mailbox, ...]
    subject: str
    text: str | None
    html: str | None
    attachments: tuple[Attachment, ...]
    max_attachments: int

    @property
    def recipients(self) -> tuple[str, ...]:
        """All addresses that get the mail, each once."""
        return tuple(dict.fromkeys(mailbox.address for mailbox in (*self.to, *self.cc, *self.bcc)))

    @property
    def identity(self) -> object:
        """Recipients and subject. The texts are no part of it: they may differ between two attempts."""
        lists = {"to": self.to, "cc": self.cc, "bcc": self.bcc}
        addresses = {name: sorted(mailbox.address for mailbox in boxes) for name, boxes in lists.items() if boxes}
        return {**addresses, "subject": self.subject}

    @property
    def content(self) -> object:
        """Sender and texts, and the names of the attachments; no file is read."""
        mailboxes = [mailbox.address for mailbox in (self.sender, *self.reply_to)]
        return [mailboxes, self.text, self.html, [_name_of(attachment) for attachment in self.attachments]]

    def message_id(self, key: str) -> str:
        """Return the Message-ID of the mail with this key."""
        return make_message_id(key, self.sender.address)

    def check(self) -> None:
        """Raise OptionError for what cannot be sent. No file is read."""
        if not self.recipients:
            raise OptionError("email.send has no recipient", hint='Write to="ann@example.com".')
        if not isinstance(self.subject, str) or len(self.subject) > _LONGEST_SUBJECT or not is_plain_line(self.subject):
            raise OptionError(
                f"subject={escape(str(self.subject), 100)!r} is not one line of at most {_LONGEST_SUBJECT:,} characters",
                hint="Remove line ends and control characters from the subject.",
            )
        if has_encoded_word(self.subject):
            hint = "Decode it: str(email.header.make_header(email.header.decode_header(subject)))."
            raise OptionError(f"subject={escape(self.subject, 100)!r} has the mark of an encoded word, =?", hint=hint)
        if self.text is None and self.html is None:
            raise OptionError("email.send has neither text= nor html=", hint='Write text="...".')
        for name, text in (("text", self.text), ("html", self.html)):
            _check_text(name, text)
        if isinstance(self.html, PlainText):
            raise OptionError(
                "html= was rendered as plain text, so its values are not escaped",
                hint="Write email.render(template, values, html=True).",
            )
        for attachment in self.attachments:
            _check_attachment(attachment)

    def build(self, key: str) -> EmailMessage:
        """Return the message. It reads the files of the attachments.

        Raises:
            Permanent: a file cannot be read, or the attachments are too large.
        """
        mail = EmailMessage(policy=_POLICY)
        mail["Subject"] = self.subject
        mail["From"] = _header_address(self.sender)
        for name, boxes in (("To", self.to), ("Cc", self.cc), ("Reply-To", self.reply_to)):
            if boxes:
                mail[name] = tuple(_header_address(mailbox) for mailbox in boxes)
        mail["Date"] = format_datetime(datetime.fromtimestamp(read_instant(key) // 1000, UTC))
        mail["Message-ID"] = self.message_id(key)
        mail["Auto-Submitted"] = "auto-generated"
        if self.text is not None:
            mail.set_content(self.text)
            if self.html is not None:
                mail.add_alternative(self.html, subtype="html")
        else:
            mail.set_content(self.html, subtype="html")
        for name, data in self._read_attachments():
            kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
            main, _, sub = kind.partition("/")
            mail.add_attachment(data, maintype=main, subtype=sub, filename=name)
        return mail

    def _read_attachments(self) -> list[tuple[str, bytes]]:
        sizes = [(_name_of(attachment), _size_of(attachment)) for attachment in self.attachments]
        if sum(size for _, size in sizes) > self.max_attachments:
            raise self._too_large_error(sizes)
        found = [(_name_of(attachment), _read_attachment(attachment)) for attachment in self.attachments]
        sizes = [(name, len(data)) for name, data in found]
        if sum(size for _, size in sizes) > self.max_attachments:  # a file has grown meanwhile
            raise self._too_large_error(sizes)
        return found

    def _too_large_error(self, sizes: Sequence[tuple[str, int]]) -> Permanent:
        files = ", ".join(f"{escape(name, 60)} ({size / _MIB:.1f} MiB)" for name, size in sorted(sizes, key=_by_size))
        total = sum(size for _, size in sizes) / _MIB
        return Permanent(
            f"the attachments have {total:.1f} MiB, at most {self.max_attachments / _MIB:.1f} MiB are allowed\nin {files}",
            hint="Send a link to the file, or raise max_attachments= if your server accepts more.",
        )


def _by_size(row: tuple[str, int]) -> int:
    return -row[1]


def _header_address(mailbox: Mailbox) -> Address:
    local, _, domain = mailbox.address.rpartition("@")
    return Address(mailbox.name, local, domain)


def _check_text(name: str, text: object) -> None:
    if text is None:
        return
    if not isinstance(text, str):
        raise OptionError(f"{name}= is {type(text).__name__}, not text", hint=f'Write {name}="...".')
    with suppress(UnicodeEncodeError):
        text.encode()
        return
    raise OptionError(
        f"{name}= has characters that cannot be written as UTF-8",
        hint='Write text.encode("utf-8", "replace").decode().',
    )


def _check_attachment(attachment: object) -> None:
    if isinstance(attachment, str | os.PathLike):
        return
    if isinstance(attachment, tuple | list) and len(attachment) == 2 and isinstance(attachment[0], str):
        name, data = attachment
        if name and is_plain_line(name) and not set(name) & {"/", "\\"} and isinstance(data, bytes | bytearray):
            return
        label = escape(repr(name), 80)
    else:
        label = type(attachment).__name__
    raise OptionError(
        f"attachments= has {label}, which is not an attachment", hint='Write a path, or ("report.csv", b"...").'
    )


def _name_of(attachment: Attachment) -> str:
    """Return the name that the recipient reads; each character that is not text is replaced."""
    name = attachment[0] if isinstance(attachment, tuple | list) else Path(attachment).name
    name = name.encode("utf-8", "surrogateescape").decode("utf-8", "replace").replace("=?", "=_")
    return name if is_plain_line(name) else "".join(letter if letter.isprintable() else "_" for letter in name)


def _size_of(attachment: Attachment) -> int:
    if isinstance(attachment, tuple | list):
        return len(attachment[1])
    try:
        status = os.stat(attachment)  # noqa: PTH116 - a path may be of any kind
    except (OSError, ValueError) as error:
        raise _unreadable_error(attachment, error) from None
    if not stat.S_ISREG(status.st_mode):
        raise _unreadable_error(attachment, OSError(0, "it is not a regular file"))
    return status.st_size


def _read_attachment(attachment: Attachment) -> bytes:
    if isinstance(attachment, tuple | list):
        return bytes(attachment[1])
    try:
        return Path(attachment).read_bytes()
    except OSError as error:
        raise _unreadable_error(attachment, error) from None


def _unreadable_error(attachment: Attachment, error: Exception) -> Permanent:
    problem = error.strerror if isinstance(error, OSError) else str(error)
    place = escape(os.fsdecode(attachment) if not isinstance(attachment, tuple) else attachment[0], 300)
    return Permanent(
        f"the attachment cannot be read: {problem}\nin {place}", hint="Check the path and its permissions."
    )
