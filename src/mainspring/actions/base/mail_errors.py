"""Errors of a mail server as the outcome of an action: refused for good, not sent and to try again, or unknown."""

import smtplib
import ssl

from mainspring.domain.errors import NotSent, Permanent, Transient
from mainspring.domain.failures.classifier import DEFAULT_CLASSIFIER
from mainspring.domain.failures.verdict import FailureKind
from mainspring.integrations.base.channel_address import ChannelAddress
from mainspring.integrations.mail_connection import MailReplyError, SmtpConversation, format_reply
from mainspring.resources.error_text import ErrorText


def error_of_mail(
    error: Exception, conversation: SmtpConversation, server: ChannelAddress, errors: ErrorText
) -> Transient | Permanent:
    """Return the error of an action for that of a connection. Before the end of the mail, each error proves that it was not sent."""
    place = f"at {server.scheme}://{server.host}:{server.port}"
    problem = _describe(error, errors)
    if conversation.is_unknown:
        return Transient(f"the mail may have been sent: {problem}\n{place}")
    if DEFAULT_CLASSIFIER.classify(error).kind is FailureKind.PERMANENT:
        return Permanent(f"the mail was not sent: {problem}\n{place}", hint=_hint(error, server))
    return NotSent(f"the mail was not sent: {problem}\n{place}")


def _describe(error: Exception, errors: ErrorText) -> str:
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        replies = (f"{address}: {format_reply(*reply)}" for address, reply in sorted(error.recipients.items()))
        return errors.redact(f"no recipient was accepted: {'; '.join(replies)}")
    if isinstance(error, smtplib.SMTPResponseException):
        return errors.redact(f"the server replies {format_reply(error.smtp_code, error.smtp_error)}")
    return str(error) if isinstance(error, MailReplyError) else errors.of(error) or type(error).__name__


def _hint(error: Exception, server: ChannelAddress) -> str | None:
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return f"Check the secret {server.secret!r}: it is USER:PASSWORD of this server."
    if isinstance(error, ssl.SSLCertVerificationError):
        return "The certificate must be for this host, and of an authority that this machine trusts (SSL_CERT_FILE)."
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return "Check the addresses of the recipients."
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return "The server lacks what the address asks for: check its scheme (smtps, starttls, smtp) and its port."
    return None
