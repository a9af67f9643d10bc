"""The forms in which a program may let a secret out: what each looks like, and what of it must not be found in any sink."""

import base64
import html
import json
import re
from urllib.parse import quote, quote_plus

CANARY = 'k7/Q"é~z+9 R&m<4vX'


def encodings(secret: str) -> dict[str, str]:
    """Return the secret as each of these writes it."""
    raw = secret.encode()
    wrapped = base64.encodebytes(b"user-of-the-service-" * 3 + raw).decode().strip()
    return {
        "raw": secret,
        "percent": quote(secret, safe=""),
        "percent in small letters": re.sub("%..", lambda found: found[0].lower(), quote(secret, safe="")),
        "percent twice": quote(quote(secret, safe=""), safe=""),
        "component of a browser": quote(secret, safe="!~*'()"),
        "form": quote_plus(secret),
        "base64": base64.b64encode(raw).decode(),
        "base64, one byte on": base64.b64encode(b"x" + raw + b"tail").decode(),
        "base64, two bytes on": base64.b64encode(b"xy" + raw + b"t").decode(),
        "base64 for URLs": base64.urlsafe_b64encode(b"u:" + raw).decode(),
        "base64 over lines": wrapped,
        "json": json.dumps({"a": secret}),
        "json of any letters": json.dumps([secret], ensure_ascii=False),
        "json twice": json.dumps(json.dumps(secret)),
        "python": repr([secret]),
        "python in ASCII": ascii(secret),
        "python bytes": repr(raw),
        "python twice": repr(repr(secret + "'")),
        "html": html.escape(secret),
        "hex": raw.hex(),
        "hex in capitals": raw.hex().upper(),
        "over two lines": f"{secret[:7]}\n{secret[7:]}",
        "over two lines, set in": f"{secret[:5]}\r\n    {secret[5:]}",
    }


def leaks(text: str, secret: str = CANARY) -> list[str]:
    """Return the names of the forms of the secret that are found in a text, its line ends taken out as well as left."""
    flat = text.replace("\r", "").replace("\n", "")
    flat = " ".join(flat.split()) if "\n" in text else flat
    return [
        name for name, form in encodings(secret).items() if form in text or _inner(form) in text or _inner(form) in flat
    ]


def _inner(form: str) -> str:
    """Return the middle of a form, which holds the most of the secret, on one line."""
    flat = "".join(part.strip(" ") for part in form.splitlines())
    return flat[len(flat) // 4 : -(len(flat) // 4)]
