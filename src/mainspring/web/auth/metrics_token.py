"""The metrics token: where it comes from, and a comparison in constant time."""

import hmac
from collections.abc import Mapping
from pathlib import Path

from mainspring.domain.errors import ConfigError

TOKEN_VARIABLE = "MAINSPRING_SECRET_METRICS_TOKEN"
_GROUP_AND_WORLD = 0o027
_SHORTEST = 16


class MetricsToken:
    """The token, a secret that is never printed."""

    def __init__(self, text: str, source: str) -> None:
        if len(text) < _SHORTEST or not text.isascii() or not text.isprintable() or " " in text:
            raise ConfigError(
                f"the metrics token must be one word of at least {_SHORTEST} printable characters\nin {source}",
                hint="Create one: openssl rand -hex 32",
            )
        self._secret = text.encode()

    def opens(self, header: str | None) -> bool:
        """Return whether the value of an Authorization header is `Bearer TOKEN` with this token."""
        kind, _, token = (header or "").partition(" ")
        return kind.lower() == "bearer" and hmac.compare_digest(token.strip().encode(), self._secret)


def find_metrics_token(file: Path | None, env: Mapping[str, str]) -> MetricsToken | None:
    """Return the configured token: of the file, or of the variable; None if none is configured.

    Raises:
        ConfigError: the file is unreadable, readable by others, or holds no token.
    """
    if file is None:
        text = env.get(TOKEN_VARIABLE, "")
        return MetricsToken(text, TOKEN_VARIABLE) if text else None
    try:
        mode, text = file.stat().st_mode, file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"the metrics token cannot be read: {type(error).__name__}\nin {file}",
            hint="See web.metrics_token_file.",
        ) from error
    if mode & _GROUP_AND_WORLD:
        raise ConfigError(
            f"other users can read or change the metrics token (mode {mode & 0o777:o})\nin {file}",
            hint=f"chmod 600 {file}",
        )
    return MetricsToken(text, str(file))
