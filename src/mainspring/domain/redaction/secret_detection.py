"""Detection of secrets whose value is not known: headers, `password=`, URLs with a password, keys with a well-known prefix.

Invariant: each expression is tried only if a word that it needs is in the text, and takes linear time: a repetition is bounded, or is
followed by a part that it cannot match itself. A hidden secret keeps its name, so that a reader sees what was hidden.
"""

import re
from collections.abc import Callable

from mainspring.domain.text.lazy_pattern import lazy_pattern

_MASK = "***"
_NAME = (
    r"(?:pass(?:word|wd|phrase)|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|auth[_-]?key|credentials?|client[_-]?secret"
    r"|secret[_-]?access[_-]?key)"
)
SECRET_FIELD_NAME = lazy_pattern(rf"(?i)(?:{_NAME}|authorization|\bcookie)\w{{0,20}}\Z")
"""The end of a name under which a secret is stored."""

_Replacement = str | Callable[[re.Match[str]], str]
_HEADER = lazy_pattern(
    r"(?i)\b((?:proxy-)?authorization|x-api-key|x-auth-token|set-cookie|cookie)(\\?[\"']?\s{0,3}[:=,]\s{0,3}(?-i:b(?=[\"']))?\\?[\"']?)"
    r"(?:(bearer|basic|digest|token|negotiate|apikey|splunk|aws4-hmac-sha256)[ ]{1,3})?[^\r\n\"'\\]{1,4096}"
)
_SCHEME = lazy_pattern(r"(?i)\b(bearer|basic)([ ]{1,3})[A-Za-z0-9+/._~=-]{12,4096}")
_ASSIGNED = lazy_pattern(
    rf"(?i)({_NAME})(\w{{0,20}}\\?[\"']?\s{{0,3}}(?:=>?|:=)\s{{0,3}})(?:\\?\"[^\"\\\r\n]{{1,4096}}|\\?'[^'\\\r\n]{{1,4096}}|[^\s\"'&,;)}}\]\\]{{1,4096}})"
)
_QUOTED = lazy_pattern(rf"(?i)({_NAME})(\w{{0,20}}\\?[\"']\s{{0,3}}:\s{{0,3}}b?\\?[\"'])[^\"'\\\r\n]{{1,4096}}")
_LABELLED = lazy_pattern(r"(?i)\b(pass(?:word|wd|phrase)|pwd|api[_-]?key)(:[ ]{1,3})[^\s\"'&,;)}\]\\]{1,4096}")
_FLAG = lazy_pattern(rf"(?i)(--[a-z-]{{0,20}}{_NAME}[ ])(?!-)[^\s\"'\\]{{1,4096}}")
_USERINFO = lazy_pattern(r"([A-Za-z][A-Za-z0-9+.-]{0,30}://)([^\s/?#\"':@\\]{0,256}:)?[^\s/?#\"'\\]{1,1024}@")
_AWS = lazy_pattern(r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}\b")
_JWT = lazy_pattern(r"(?<![\w-])eyJ[\w-]{8,8192}\.eyJ[\w-]{8,8192}(?:\.[\w-]{0,8192})?")
_SLACK_HOOK = lazy_pattern(r"(hooks\.slack\.com/(?:services|workflows|triggers)/)[A-Za-z0-9/_-]{8,200}")
_PREFIXES = (
    *("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "gldt-", "glrt-"),
    *("xoxa-", "xoxb-", "xoxe-", "xoxp-", "xoxr-", "xoxs-", "xapp-"),
    *(
        "sk_live_",
        "sk_test_",
        "rk_live_",
        "rk_test_",
        "whsec_",
        "sk-",
        "AIza",
        "ya29.",
        "npm_",
        "pypi-",
        "dop_v1_",
        "doo_v1_",
    ),
    *("SG.", "hf_", "AGE-SECRET-KEY-", "hvs.", "shpat_", "lin_api_", "dckr_pat_", "sq0atp-", "EAACEdEose0cBA"),
)
_PREFIXED = lazy_pattern(rf"(?<![A-Za-z0-9_])({'|'.join(map(re.escape, _PREFIXES))})[A-Za-z0-9+/=._-]{{16,4096}}")
_OWN_TOKEN = lazy_pattern(r"(?<![A-Za-z0-9_])(ms_)[A-Za-z0-9_-]{43}(?![A-Za-z0-9_-])")
"""A token of our own API."""
_KEY_BEGIN = lazy_pattern(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----")
_KEY_END = lazy_pattern(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY-----")


def _replace_header(match: re.Match[str]) -> str:
    scheme = f"{match[3]} " if match[3] else ""
    return f"{match[1]}{match[2]}{scheme}{_MASK}"


def _replace_prefixed(match: re.Match[str]) -> str:
    """Replace a word with digits, which is a key; one of letters alone is a word (`sk-learn-something-or-other`)."""
    return f"{match[1]}{_MASK}" if any(char.isdigit() for char in match[0][len(match[1]) :]) else match[0]


def _replace_userinfo(match: re.Match[str]) -> str:
    """Replace a password; a name without one is a user's and stays, unless it is as long as a key."""
    if match[2] is None and len(match[0]) - len(match[1]) <= _LONGEST_USER:
        return match[0]
    return f"{match[1]}{match[2] or ''}{_MASK}@"


_LONGEST_USER = 20
_NAMES = (
    *("passw", "passp", "pwd", "secret", "token", "credential", "access"),
    *("apikey", "api_key", "api-key", "privatekey", "private_key", "private-key", "authkey", "auth_key", "auth-key"),
)
_DETECTORS: tuple[tuple[tuple[str, ...], tuple[tuple[re.Pattern[str], _Replacement], ...]], ...] = (
    (("authorization", "x-api-key", "x-auth-token", "cookie"), ((_HEADER, _replace_header),)),
    (("bearer ", "basic "), ((_SCHEME, rf"\1\2{_MASK}"),)),
    (
        _NAMES,
        (
            (_ASSIGNED, rf"\1\2{_MASK}"),
            (_QUOTED, rf"\1\2{_MASK}"),
            (_LABELLED, rf"\1\2{_MASK}"),
            (_FLAG, rf"\1{_MASK}"),
        ),
    ),
    (("@",), ((_USERINFO, _replace_userinfo),)),
    (("akia", "asia", "abia", "acca"), ((_AWS, _MASK),)),
    (("eyj",), ((_JWT, _MASK),)),
    (("hooks.slack.com/",), ((_SLACK_HOOK, rf"\1{_MASK}"),)),
    (("ms_",), ((_OWN_TOKEN, rf"\1{_MASK}"),)),
    (tuple(prefix.lower() for prefix in _PREFIXES), ((_PREFIXED, _replace_prefixed),)),
)
"""Words in small letters (one of them must be there), the expressions, the replacement of each."""


def find_key_lines(text: str) -> list[int]:
    """Return the numbers of the lines with a literal that has the form of a key: a well-known prefix, a private key, a signed token."""
    numbers = []
    for number, line in enumerate(text.splitlines(), start=1):
        prefixed = _PREFIXED.search(line)
        has_prefix = prefixed is not None and any(char.isdigit() for char in prefixed[0][len(prefixed[1]) :])
        if has_prefix or any(pattern.search(line) for pattern in (_AWS, _JWT, _SLACK_HOOK, _OWN_TOKEN, _KEY_BEGIN)):
            numbers.append(number)
    return numbers


def hide_likely_secrets(text: str) -> str:
    """Return the text with likely secrets replaced."""
    low = text.lower()
    for words, patterns in _DETECTORS:
        for word in words:
            if word in low:
                for expression, replacement in patterns:
                    text = expression.sub(replacement, text)
                break
    return _hide_private_keys(text) if "private key-----" in low else text


def _hide_private_keys(text: str) -> str:
    """Hide private keys, from their first line to their last, or to the end of the text if there is none."""
    parts: list[str] = []
    end = 0
    while (first := _KEY_BEGIN.search(text, end)) is not None:
        last = _KEY_END.search(text, first.end())
        parts += (text[end : first.end()], _MASK)
        if last is None:
            return "".join(parts)
        parts.append(last[0])
        end = last.end()
    return "".join((*parts, text[end:]))
