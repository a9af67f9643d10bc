"""The words of an error without what differs each time that it happens.

Numbers, times, ids, addresses, paths, quoted text and e-mail addresses become `…`; of a URL its scheme, host and words stay.
Invariants: never raises; takes time linear in the text; the result is one line of at most `LONGEST` characters, and is its own normal form.
"""

import re
from collections.abc import Callable

from mainspring.domain.lazy_pattern import lazy_pattern

LONGEST = 300
_READ = 16_384
_ROUNDS = 12
_GAP = "…"
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
_GAPS = lazy_pattern(r"…(?:[\s,;:./=+@-]*+…)++")
_PLURAL = lazy_pattern(r"(?<=[0-9] )([A-Za-z-]{3,30}?)(ie)?s(?![\w-])")
_DIGITS = lazy_pattern(r"\d+")
_EXTENSION = lazy_pattern(r"\.[A-Za-z]\w{0,5}$")


def normal_text(text: str, *, names: bool = False) -> str:
    """Return the normal form of what an error says; `names` keeps quoted names (of code, of columns): where they are what is wrong."""
    text = text[:_READ]
    for _ in range(_ROUNDS):
        found = _once(text, names=names)
        if found == text:
            return found
        text = found
    # Quotes in quotes without end: the bare words are a normal form of any text.
    return _cut(" ".join(re.findall(r"[^\W\d_]+", text)))


def _once(text: str, *, names: bool) -> str:
    text = _PLURAL.sub(lambda match: match[1] + ("y" if match[2] else ""), _NOISE.sub("", text))
    text = _VALUE.sub(_GAP, text)
    text = _TOKEN.sub(_kept_of_names if names else _kept, text)
    text = _GAPS.sub(_GAP, _SIGNED.sub(_GAP, text))
    return _cut(" ".join(text.split()))


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[:LONGEST].rstrip()


def _kept(match: re.Match[str]) -> str:
    kind = match.lastgroup or ""
    keep = _KEPT.get(kind)
    return _GAP if keep is None else keep(match[kind])


def _kept_of_names(match: re.Match[str]) -> str:
    quoted = match["quoted"]
    return quoted if quoted is not None and _NAME.fullmatch(quoted[1:-1]) else _kept(match)


def _quoted(text: str) -> str:
    """Return what stays of quoted text: a URL, as it would stay outside of quotes, and what only code is quoted by."""
    if _CODE.fullmatch(text):
        return _DIGITS.sub(_GAP, text)
    inside = text.lstrip("bruBRU")[1:-1]
    return _url(inside) if "://" in inside and " " not in inside else _GAP


def _url(text: str) -> str:
    """Return the scheme, the host without port and digits, and the words of the path."""
    scheme, _, rest = text.rstrip(".,;:)]").partition("://")
    place = re.split(r"[?#]", rest, maxsplit=1)[0]
    authority, *segments = place.rpartition("@")[2].split("/")
    host = _GAP if authority.startswith("[") else re.sub(r"[\d.]*\d[\d.]*", _GAP, authority.partition(":")[0])
    words = [part if part.isalpha() and len(part) < _RANDOM_LENGTH else _GAP for part in segments if part]
    return f"{scheme}://{'/'.join([host, *words])}"


def _relative(text: str) -> str:
    """Return the words of what may be a path: `application/json` and `and/or` are none."""
    parts = text.split("/")
    if len(parts) > 2 or _EXTENSION.search(text) or not parts[-1]:
        return _GAP
    return "/".join(map(_word, parts))


def _random(text: str) -> str:
    """Return a long word as it is; only one in which letters and digits are mixed is random."""
    return _GAP if _DIGITS.search(text) else text


def _word(text: str) -> str:
    """Return a name with its number taken out; a word with several is an id."""
    numbers = _DIGITS.findall(text)
    return _GAP if len(numbers) > 1 else _DIGITS.sub(_GAP, text)


_KEPT: dict[str, Callable[[str], str]] = {
    "url": _url,
    "quoted": _quoted,
    "relative": _relative,
    "random": _random,
    "word": _word,
}
