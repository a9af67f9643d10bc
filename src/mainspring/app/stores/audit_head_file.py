"""The head file of the audit log, for `audit-log verify --head-file`: best on another machine, or where only root writes."""

import os
from contextlib import suppress
from pathlib import Path

from mainspring.domain.errors import ConfigError, OptionError
from mainspring.domain.integrity.audit_head import AuditHead, read_audit_head


def read_audit_heads(file: Path) -> list[AuditHead]:
    """Return the heads in a file, one a line; none if the file does not exist.

    Raises:
        ConfigError: it cannot be read, or holds something else.
    """
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
        return [read_audit_head(line) for line in lines if line.strip()]
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the head of the audit log cannot be read: {error}\nin {file}") from None
    except OptionError as error:
        raise ConfigError(f"{error.message}\nin {file}", hint=error.hint) from None


def write_audit_head(file: Path, head: AuditHead) -> None:
    """Save a head in place of the former one, readable only by its user.

    Raises:
        ConfigError: it cannot be written.
    """
    part = file.with_name(f"{file.name}.{os.getpid()}.part")
    try:
        with suppress(FileNotFoundError):
            part.unlink()
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as written:
            written.write(f"{head}\n")
            written.flush()
            os.fsync(written.fileno())
        part.replace(file)
    except OSError as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise ConfigError(f"the head of the audit log cannot be saved: {error.strerror}\nin {file}") from None
