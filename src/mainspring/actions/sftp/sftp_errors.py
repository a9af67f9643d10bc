"""Errors of SFTP actions: each says what failed, at which address, and how to fix it, and never a password or a key."""

from mainspring.domain.errors import MainspringError, Permanent, Transient
from mainspring.domain.failures.classifier import DEFAULT_CLASSIFIER
from mainspring.domain.failures.verdict import FailureKind
from mainspring.domain.text.escaping import escape
from mainspring.resources.known_secrets import KNOWN_SECRETS

_MAX_TEXT = 300
_FIXES = {
    "PermissionDenied": "Check user, password= and key=, and that the server knows the public key.",
    "SFTPNoSuchFile": "Check the path. To create missing folders, pass make_folders=True.",
    "SFTPPermissionDenied": "Let the user of the server write there, or choose another folder.",
    "SFTPNoSpaceOnFilesystem": "Free space on the disk of the server.",
    "SFTPQuotaExceeded": "Free space on the disk of the server.",
    "KeyExchangeFailed": "Server and client know no common algorithm, or the server has no key of the kind in known_hosts=.",
    "KeyImportError": "Set the secret to the text of a private key, with its first and last line.",
    "KeyEncryptionError": "Check passphrase=.",
    "SFTPFailure": "The server gives no reason. Look at its log, and whether its disk is full.",
}
_LATER = frozenset(
    {
        *("ConnectionLost", "DisconnectError", "ProtocolError", "MACError", "CompressionError", "ChannelOpenError"),
        *("SFTPConnectionLost", "SFTPNoConnection", "SFTPFailure", "SFTPNoSpaceOnFilesystem", "SFTPQuotaExceeded"),
        *("SFTPLockConflict", "SFTPEOFError", "TimeoutError"),
    }
)


class SftpActionError(Permanent):
    """The server refuses it, and trying again cannot help."""

    code = "sftp_action"


class SftpHostKeyError(SftpActionError):
    """The key of the server is not known, or is another one than before. Nothing was sent."""

    code = "sftp_host_key"


class SftpUnavailableError(Transient):
    """The server does not answer, or cannot do it now. The call may be repeated."""

    code = "sftp_unavailable"


def make_sftp_error(error: Exception, verb: str, place: str) -> MainspringError:
    """Return the error of a failed call; `verb` such as "put to"."""
    name = type(error).__name__
    reason = "no answer in time" if isinstance(error, TimeoutError) else str(error) or name
    message = f"cannot {verb} {place}: {escape(KNOWN_SECRETS.redact(reason), _MAX_TEXT)} ({name})"
    hint = _FIXES.get(name)
    is_of_network = isinstance(error, OSError) and DEFAULT_CLASSIFIER.classify(error).kind is FailureKind.TRANSIENT
    if name in _LATER or is_of_network:
        unavailable = SftpUnavailableError(message)
        unavailable.hint = hint or "Check the address and the network. In a step the call is tried again."
        return unavailable
    return SftpActionError(message, hint=hint or "Check the address, and the log of the server.")
