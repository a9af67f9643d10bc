"""Errors of Git actions: what Git says, at which repository, and how to fix it, and never a secret."""

import re

from mainspring.domain.errors import NotSent, Permanent, Transient
from mainspring.domain.text.escaping import escape
from mainspring.resources.known_secrets import KNOWN_SECRETS

_MAX_TEXT = 500
_NOISE = re.compile(r"^(?:hint:|warning:|From |To |remote: (?:Enumerating|Counting|Compressing|Total))", re.IGNORECASE)
_FIXES = (
    (r"Authentication failed|could not read (?:Username|Password)|invalid credentials|error: 40[13]", "credentials"),
    (r"Permission denied|publickey", "key"),
    (r"Host key verification failed|REMOTE HOST IDENTIFICATION HAS CHANGED", "host"),
    (r"SSL certificate|certificate verif", "certificate"),
    (r"[Rr]epository .*not found|does not appear to be a git repository|error: 404|does not exist", "address"),
    (r"error: 30[1278]", "moved"),
    (r"dubious ownership", "owner"),
    (r"transport '.*' not allowed", "scheme"),
    (r"pathspec '.*' did not match|paths are ignored by one of your \.gitignore", "path"),
)
_HINTS = {
    "credentials": 'Check the secret of credentials="secret:NAME": USER:TOKEN, with the right to read, and to push.',
    "key": "Check key_file= and its rights, or the agent of SSH: ssh-add -l",
    "host": "Compare the key of the host with the one that its owner publishes, then add it to known_hosts=.",
    "certificate": "Check the certificate of the server, or name its authority in GIT_SSL_CAINFO.",
    "address": "Check the address, and that the user may read the repository.",
    "moved": "The repository has moved. Write its new address: credentials are sent to the host of the address only.",
    "owner": "Another user owns the repository. Give it to the user of this process: chown -R",
    "scheme": "Use https://, ssh://, file:// or a path.",
    "path": "Check paths=: each must be in the checkout, and not ignored by a .gitignore.",
}


class GitActionError(Permanent):
    """A Git action cannot be done, and trying again cannot help."""

    code = "git_action"


class GitConflictError(GitActionError):
    """The branch has other changes of the same lines. Nothing was pushed."""

    code = "git_conflict"


class GitUnavailableError(NotSent):
    """The remote does not answer, or another process uses the checkout. Nothing was pushed."""

    code = "git_unavailable"

    def __init__(self, reason: str, *, hint: str | None = None) -> None:
        super().__init__(reason)
        self.hint = hint


class GitPushUnknownError(Transient):
    """The connection was lost during the push: it is not known whether the remote has the commit."""

    code = "git_push_unknown"


def make_git_error(verb: str, place: str, output: str) -> GitActionError | GitUnavailableError:
    """Return the error of a command that failed before anything was pushed; `verb` such as "clone", `output` = its standard error."""
    problem = format_output(output)
    message = f"cannot {verb} {place}: {problem}"
    for pattern, name in _FIXES:
        if re.search(pattern, output):
            return GitActionError(message, hint=_HINTS[name])
    return GitUnavailableError(message, hint="Check the network and the remote. In a step the call is tried again.")


def format_output(output: str) -> str:
    """Return the lines of an output that say what is wrong, in one line, without secrets."""
    lines = [line.strip() for line in output.splitlines() if line.strip() and not _NOISE.match(line.strip())]
    return escape(KNOWN_SECRETS.redact("; ".join(lines)), _MAX_TEXT) or "Git says nothing"
