"""Normalizer of error texts: it removes the parts that differ each time.

Numbers, times, ids, addresses, paths, quoted text and e-mail addresses become `…`; of a URL its scheme, host and words stay. Invariants:
never raises; takes time linear in the text; the result is one line of at most `MAX_NORMALIZED_LENGTH` characters, and is its own normal
form.
"""

import re
from collections.abc import Callable

from mainspring.domain.text.lazy_pattern import lazy_pattern

MAX_NORMALIZED_LENGTH = 300
_MAX_INPUT_LENGTH = 16_384
_ROUNDS = 12
_PLACEHOLDER = "…"
_RANDOM_LENGTH = 20

_NOISE = lazy_pattern(
    r"""
    \\x1b\[[0-9;?]*+[A-Za-z]                                    # colours, escaped as a failure keeps them
  | …\[\+[0-9]++\ characters\]                                  # where a text was cut
  | ^(?:DETAIL|CONTEXT|QUERY|STATEMENT|LINE\ [0-9]{1,9}):.*+$    # what a database says of the data at hand
  | \(Background\ on\ this\ error\ at:[^)\n]*+\)
    """,
    re.VERBOSE | re.MULTILINE,
)
_VALUE = lazy_pattern(r"(?<=input_value=)[^\n]{1,200}?(?=, input_type=)|(?<==\()[^()\n]++(?=\))")
_TOKEN = lazy_pattern(
    r"""
    (?P<url>(?<![\w+.-])[A-Za-z][A-Za-z0-9+.-]{1,15}://[^\s'"`<>|\\^{}]*+)
  | (?P<quoted>(?<![\w…])[bruBRU]{0,2}(?:'[^'\n]*+'|"[^"\n]*+"|`[^`\n]*+`)(?!\w)|“[^”\n]*+”)
  | (?P<email>(?<![\w.+-])[\w.+-]++@[\w-]++(?:\.[\w-]++)*+)
  | (?P<time>(?<!\w)[0-9]{4}-[0-9]{2}-[0-9]{2}
      (?:[T\ ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]++)?)?(?:\ ?(?:Z|UTC|[+-][0-9]{2}:?[0-9]{2}))?)?(?!\w))
  | (?P<date>(?<!\w)(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),?\ ++)?(?:[0-9]{1,2}\ )?
      (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\ {1,2}[0-9][0-9:\ ,]*+(?:GMT|UTC|[+-][0-9]{4})?)
  | (?P<uuid>(?<!\w)[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}(?!\w))
  | (?P<v6>(?<![\w:.])(?=[0-9A-Fa-f:]{0,30}:[0-9A-Fa-f]{0,4}:)[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?:%\w++)?(?![\w:]))
  | (?P<path>(?<![\w./-])(?:[A-Za-z]:\\|\\\\|~?/|\.{1,2}/)[^\s'"`…:,;()\[\]{}<>|]++)
  | (?P<relative>(?<![\w./-])[\w.-]++(?:/[\w.-]*+)++)
  | (?P<random>(?<![\w+/=-])[\w+/-]{20,}+={0,2})
  | (?P<span>(?<![\w.,])[0-9][0-9.,]*+\ ?(?:ns|us|µs|ms|s|secs?|seconds?|m|mins?|minutes?|h|hours?|d|days?|B|bytes?|[kKMGT]i?B|%)(?!\w))
  | (?P<hex>(?<!\w)0[xX][0-9A-Fa-f]++)
  | (?P<word>(?<!\w)[^\W\d]*+\d\w*+)
    """,
    re.VERBOSE,
)
_NAME = lazy_pattern(r"[^\W\d][\w.]*")
_CODE = lazy_pattern(r"`[\w$.<>|\[\]…]+`")
_SIGNED = lazy_pattern(r"(?<![\w…])[-+]…")
_PLACEHOLDERS = lazy_pattern(r"…(?:[\s,;:./=+@-]*+…)++")
_PLURAL = lazy_pattern(r"(?<=[0-9] )([A-Za-z-]{3,30}?)(ie)?s(?![\w-])")
_DIGITS = lazy_pattern(r"\d+")
_EXTENSION = lazy_pattern(r"\.[A-Za-z]\w{0,5}$")


def normalize_error(text: str, *, names: bool = False) -> str:
    """Return the normal form of an error text; `names` keeps quoted names (of code, of columns) if they are the problem."""
    text = text[:_MAX_INPUT_LENGTH]
    for _ in range(_ROUNDS):
        normalized = _normalize_once(text, names=names)
        if normalized == text:
            return normalized
        text = normalized
    # Quotes in quotes without end: the bare words are a normal form of any text.
    return _cut_text(" ".join(re.findall(r"[^\W\d_]+", text)))


def _normalize_once(text: str, *, names: bool) -> str:
    text = _PLURAL.sub(lambda match: match[1] + ("y" if match[2] else ""), _NOISE.sub("", text))
    text = _VALUE.sub(_PLACEHOLDER, text)
    text = _TOKEN.sub(_replace_token_keep_names if names else _replace_token, text)
    text = _PLACEHOLDERS.sub(_PLACEHOLDER, _SIGNED.sub(_PLACEHOLDER, text))
    return _cut_text(" ".join(text.split()))


def _cut_text(text: str) -> str:
    return text if len(text) <= MAX_NORMALIZED_LENGTH else text[:MAX_NORMALIZED_LENGTH].rstrip()


def _replace_token(match: re.Match[str]) -> str:
    kind = match.lastgroup or ""
    keep = _NORMALIZERS.get(kind)
    return _PLACEHOLDER if keep is None else keep(match[kind])


def _replace_token_keep_names(match: re.Match[str]) -> str:
    quoted = match["quoted"]
    return quoted if quoted is not None and _NAME.fullmatch(quoted[1:-1]) else _replace_token(match)


def _normalize_quoted(text: str) -> str:
    """Return the normal form of quoted text: a URL as outside of quotes, and code, which only backquotes mark."""
    if _CODE.fullmatch(text):
        return _DIGITS.sub(_PLACEHOLDER, text)
    inside = text.lstrip("bruBRU")[1:-1]
    return _normalize_url(inside) if "://" in inside and " " not in inside else _PLACEHOLDER


def _normalize_url(text: str) -> str:
    """Return the scheme, the host without port and digits, and the words of the path."""
    scheme, _, rest = text.rstrip(".,;:)]").partition("://")
    address = re.split(r"[?#]", rest, maxsplit=1)[0]
    authority, *segments = address.rpartition("@")[2].split("/")
    host = (
        _PLACEHOLDER
        if authority.startswith("[")
        else re.sub(r"[\d.]*\d[\d.]*", _PLACEHOLDER, authority.partition(":")[0])
    )
    words = [part if part.isalpha() and len(part) < _RANDOM_LENGTH else _PLACEHOLDER for part in segments if part]
    return f"{scheme}://{'/'.join([host, *words])}"


def _normalize_path(text: str) -> str:
    """Return the words of a possible path: `application/json` and `and/or` are none."""
    parts = text.split("/")
    if len(parts) > 2 or _EXTENSION.search(text) or not parts[-1]:
        return _PLACEHOLDER
    return "/".join(map(_normalize_word, parts))


def _normalize_random(text: str) -> str:
    """Return a long word as it is; only one in which letters and digits are mixed is random."""
    return _PLACEHOLDER if _DIGITS.search(text) else text


def _normalize_word(text: str) -> str:
    """Return a name with its number taken out; a word with several is an id."""
    numbers = _DIGITS.findall(text)
    return _PLACEHOLDER if len(numbers) > 1 else _DIGITS.sub(_PLACEHOLDER, text)


_NORMALIZERS: dict[str, Callable[[str], str]] = {
    "url": _normalize_url,
    "quoted": _normalize_quoted,
    "relative": _normalize_path,
    "random": _normalize_random,
    "word": _normalize_word,
}
