"""Secrets are hidden in each form and over the borders of writes; what is none stays as it is."""

import base64
import random
import string
import time
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.domain.failures.failure import Failure
from mainspring.domain.redaction.redactor import MASK, LineRedactor, Redactor, TextRedactor, list_encodings
from tests.secret_encodings import CANARY, encodings

SECRETS = st.text(st.characters(min_codepoint=33, max_codepoint=0x24F), min_size=6, max_size=60)
AROUND = st.text(st.sampled_from("ab 1%+/=\"'&<\\é"), max_size=12)


@given(SECRETS, AROUND, AROUND)
def test_redactor_leaves_no_form_of_any_secret(secret: str, before: str, after: str) -> None:
    """Whatever the value and the text around it, no form of it is left; looking twice changes nothing of that."""
    redactor = Redactor([secret])
    for form in sorted(list_encodings(secret)):
        assert form not in redactor.redact(before + form + after).replace(MASK, "\0") or len(form) < 6
    assert secret not in redactor.redact(f"{before}{quote(secret)}{secret}{after}").replace(MASK, "\0")


@given(SECRETS, st.binary(max_size=8), st.binary(max_size=8))
def test_redactor_finds_a_secret_inside_of_base64(secret: str, before: bytes, after: bytes) -> None:
    """Base64 of a longer text shows none of the secret that is in it, wherever it begins: at most a byte at either end is left."""
    redacted = Redactor([secret]).redact(base64.b64encode(before + secret.encode() + after).decode())
    assert MASK in redacted


@given(SECRETS, AROUND, AROUND, st.data())
def test_line_redactor_leaves_no_secret_that_is_split_over_writes(
    secret: str, before: str, after: str, data: st.DataObject
) -> None:
    """A value that is cut into lines at any places is not found in what comes out, put together."""
    cuts = sorted(data.draw(st.sets(st.integers(1, len(secret) - 1), min_size=1, max_size=3)))
    pieces = [secret[a:b] for a, b in zip([0, *cuts], [*cuts, len(secret)], strict=True)]
    lines, redactor = LineRedactor(), Redactor([secret])
    redacted = [
        out for line in (before + pieces[0], *pieces[1:-1], pieces[-1] + after) for out in lines.feed(redactor, line)
    ]
    redacted += lines.end(redactor)
    assert secret not in "".join(redacted).replace(MASK, "\0")


@given(SECRETS, AROUND, AROUND, st.data())
def test_text_redactor_leaves_no_secret_that_is_split_over_pieces(
    secret: str, before: str, after: str, data: st.DataObject
) -> None:
    """A value that is cut into pieces at any places is not found in what is shown; each line with a complete value is shown at once."""
    cuts = sorted(data.draw(st.sets(st.integers(1, len(secret) - 1), min_size=1, max_size=3)))
    pieces = [secret[a:b] for a, b in zip([0, *cuts], [*cuts, len(secret)], strict=True)]
    text, redactor = TextRedactor(), Redactor([secret])
    visible = "".join(text.feed(redactor, piece) for piece in (before, *pieces, f"{after}\n")) + text.end()
    assert secret not in visible.replace(MASK, "\0")
    over_lines = [
        text.feed(redactor, f"{piece}\n") for piece in (before + pieces[0], *pieces[1:-1], pieces[-1] + after)
    ]
    assert secret not in "".join([*over_lines, text.end()]).replace(MASK, "\0").replace("\n", "")


@given(st.lists(st.text(st.sampled_from("xyz !\r\n"), max_size=8), max_size=10))
def test_text_redactor_returns_text_without_secrets_unchanged(pieces: list[str]) -> None:
    """A piece that waited is shown with the next one, unless it is the start of a value at the very end."""
    text, redactor = TextRedactor(), Redactor(["xyzzy-xyzzy"])
    visible = "".join(text.feed(redactor, piece) for piece in [*pieces, "the end"])
    assert visible + text.end() == "".join([*pieces, "the end"])


def test_text_redactor_returns_each_line_at_once() -> None:
    """A letter or two at the end of a line does not wait, and yet hides the rest of a value in the next line."""
    text, redactor = TextRedactor(), Redactor(["correct-horse"])
    assert text.feed(redactor, "a disc\n") == "a disc\n"
    assert text.feed(redactor, "orrect-horse it is\n") == f"{MASK} it is\n"
    assert text.feed(redactor, "it is correct-") == "it is "
    assert text.feed(redactor, "ed\n") == "correct-ed\n"
    assert text.feed(redactor, "password=") == "password="
    assert text.feed(redactor, "abc") + text.feed(redactor, "def\n") == f"{MASK}\n"
    assert text.feed(redactor, "and correct-ho\n") + text.end() == f"and {MASK}\n"


def test_text_redactor_hides_a_private_key_that_comes_line_by_line() -> None:
    """Only its last line marks its end."""
    lines = ("-----BEGIN RSA PRIVATE KEY-----\n", "MIIEabc\n", "def\n", "-----END RSA PRIVATE KEY-----\n", "more\n")
    text, redactor = TextRedactor(), Redactor()
    visible = "".join(text.feed(redactor, line) for line in lines)
    assert visible == f"-----BEGIN RSA PRIVATE KEY-----{MASK}-----END RSA PRIVATE KEY-----\nmore\n"


@given(st.lists(st.text(st.sampled_from("xyz !"), max_size=8), max_size=10))
def test_line_redactor_gives_back_lines_without_secrets_unchanged_and_in_order(lines: list[str]) -> None:
    """What is held back for a moment comes out again, unless it is the beginning of a value at the very end."""
    redacting, redactor = LineRedactor(), Redactor(["xyzzy-xyzzy"])
    lines.append("the end")
    redacted = [out for line in lines for out in redacting.feed(redactor, line)]
    assert [*redacted, *redacting.end(redactor)] == lines


@pytest.mark.parametrize("name", encodings(CANARY))
def test_redactor_hides_each_encoding(name: str) -> None:
    """Each way in which a program writes the value is found, in one text and line by line."""
    form = encodings(CANARY)[name]
    redactor, lines = Redactor([CANARY]), LineRedactor()
    whole = redactor.redact(f"sent {form} away")
    assert whole.startswith("sent ")
    assert MASK in whole
    cut = [out for line in f"sent {form} away".splitlines() for out in lines.feed(redactor, line)]
    assert MASK in "\n".join([*cut, *lines.end(redactor)])


def test_line_redactor_hides_what_is_left_of_a_secret_when_nothing_follows() -> None:
    """The beginning of a value at the very end is hidden once it is long enough to tell; a letter or two is released after a while."""
    redactor, lines = Redactor(["correct-horse"]), LineRedactor()
    assert lines.feed(redactor, "it is correct-ho") == []
    assert lines.settle(redactor) == []
    assert lines.end(redactor) == [f"it is {MASK}"]
    assert lines.feed(redactor, "a disc") == []
    assert lines.settle(redactor) == ["a disc"]


def test_redactor_hides_the_start_of_a_secret_before_a_cut() -> None:
    """A text that was cut in the middle of a value does not show its first half."""
    assert Redactor(["correct-horse"]).redact("got correct-ho…[+90 characters]") == f"got {MASK}…[+90 characters]"


@pytest.mark.parametrize("size", [3_000, 4_097, 9_000, 65_536])
@pytest.mark.parametrize("piece", [76, 1_000, 16_384])
def test_redactors_hide_a_long_secret_that_comes_in_pieces(size: int, piece: int) -> None:
    """As a key in PEM or a file of a service account, plain and in base64, line by line and write by write."""
    secret = "".join(random.Random(size).choices(string.ascii_letters + string.digits, k=size))
    redactor = Redactor([secret])
    for form in (secret, base64.b64encode(secret.encode()).decode()):
        pieces = [form[at : at + piece] for at in range(0, len(form), piece)]
        lines, by_line, by_write = LineRedactor(), TextRedactor(), TextRedactor()
        printed = [out for line in ("before", *pieces, "after") for out in lines.feed(redactor, line)]
        written = [by_write.feed(redactor, text) for text in ("before ", *pieces, " after")]
        terminal = [by_line.feed(redactor, f"{line}\n") for line in ("before", *pieces, "after")]
        for visible in (
            "\n".join([*printed, *lines.end(redactor)]),
            "".join([*written, by_write.end()]),
            "".join([*terminal, by_line.end()]),
            redactor.redact(f"before {form} after"),
        ):
            assert visible.startswith("before")
            assert visible.rstrip().endswith("after")
            assert len(visible.replace(MASK, "").replace("\n", "")) < 20


def test_redactor_hides_the_start_of_a_long_secret() -> None:
    """A text that ends within the value shows nothing of it, and a whole value is one mask."""
    secret = "".join(random.Random(1).choices(string.ascii_letters, k=10_000))
    redactor, text = Redactor([secret]), TextRedactor()
    assert redactor.redact(f"got {secret}!") == f"got {MASK}!"
    assert secret[-20:] not in redactor.redact(f"got {secret[:9_000]}…[+90 characters]")
    visible = text.feed(redactor, f"got {secret[:9_500]}") + text.end()
    assert visible.replace(MASK, "") == "got "


def test_redactor_hides_each_line_of_a_secret_with_several() -> None:
    """During a rotation a secret holds one value a line; each is a secret."""
    redactor = Redactor(["first-value\nsecond-value\n"])
    assert redactor.redact("used second-value, then first-value") == f"used {MASK}, then {MASK}"


def test_redactor_leaves_short_values_and_plain_text_unchanged() -> None:
    """A value of five characters would be found everywhere; a text without secrets is the same object."""
    redactor = Redactor(["short", "longer-one"])
    text = "a short text, 3 tokens, see https://example.com/a?b=c and key=7"
    assert redactor.redact(text) is text


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("Authorization: Bearer abc.def-123", "Authorization: Bearer ***"),
        ("{'authorization': 'Basic dXNlcjpwYXNz'}", "{'authorization': 'Basic ***'}"),
        ("Cookie: sid=12345; theme=dark", "Cookie: ***"),
        ("sent with bearer abcdefghijklmnop", "sent with bearer ***"),
        ("login?user=ana&password=hunter2&x=1", "login?user=ana&password=***&x=1"),
        ("PGPASSWORD=hunter2 psql", "PGPASSWORD=*** psql"),
        ('{"api_key": "abc123", "n": 1}', '{"api_key": "***", "n": 1}'),
        (r'{\"token\":\"abc123\"}', r'{\"token\":\"***\"}'),
        ("password: hunter2", "password: ***"),
        ("mysql --password hunter2 -h db", "mysql --password *** -h db"),
        ("postgresql://app:p@ssword@db:5432/x", "postgresql://app:***@db:5432/x"),
        ("redis://:hunter2@cache", "redis://:***@cache"),
        ("https://0123456789abcdef0123456789abcdef@sentry.io/1", "https://***@sentry.io/1"),
        ("ssh://git@github.com/a", "ssh://git@github.com/a"),
        ("key AKIAIOSFODNN7EXAMPLE refused", "key *** refused"),
        (f"with ms_{'Zb0-_' * 8}abc as", "with ms_*** as"),
        ("took_ms_" + "x" * 43, "took_ms_" + "x" * 43),
        ("ms_" + "x" * 44, "ms_" + "x" * 44),
        ("aws_secret_access_key = wJalrXUtnFEMI/K7MDENG", "aws_secret_access_key = ***"),
        ("ghp_0123456789abcdefghijABCDEFGHIJ0123", "ghp_***"),
        ("xoxb-12345678901-abcdefghijkl", "xoxb-***"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc_def-123", "***"),
        ("https://hooks.slack.com/services/T000/B000/XXXX1234", "https://hooks.slack.com/services/***"),
        (
            "a\n-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\nb",
            "a\n-----BEGIN RSA PRIVATE KEY-----***-----END RSA PRIVATE KEY-----\nb",
        ),
        ("-----BEGIN PRIVATE KEY-----\nMIIE", "-----BEGIN PRIVATE KEY-----***"),
    ],
)  # fmt: skip
def test_redactor_hides_what_resembles_a_secret(text: str, redacted: str) -> None:
    """Headers, assignments, URLs with passwords and keys of well-known form are hidden, and what they are stays readable."""
    assert Redactor().redact(text) == redacted


def test_line_redactor_leaves_out_a_private_key_that_is_printed_by_line() -> None:
    """Only its first line shows that there was one; without its last line the stream is not lost for ever."""
    lines = LineRedactor()
    key = ["-----BEGIN PRIVATE KEY-----", "MIIEvQ", "AbCdEf", "-----END PRIVATE KEY-----"]
    printed = ["before", *key, "after"]
    redacted = [out for line in printed for out in lines.feed(Redactor(), line)]
    assert redacted == ["before", "-----BEGIN PRIVATE KEY-----***", "after"]
    open_ended = [out for line in [key[0], *["x"] * 300] for out in lines.feed(Redactor(), line)]
    assert len(open_ended) == 101


def test_redactor_hides_data_by_the_name_it_is_under() -> None:
    """Data keeps its form; what stands under the name of a secret is hidden whole, however deep."""
    data = {"db": {"password": "a", "port": 5432}, "seen": ["correct-horse"], "token_count": 3}
    redacted = {"db": {"password": MASK, "port": 5432}, "seen": [MASK], "token_count": 3}
    assert Redactor(["correct-horse"]).redact_data(data) == redacted
    deep: list[object] = ["correct-horse"]
    for _ in range(500):
        deep = [deep]
    assert "correct-horse" not in repr(Redactor(["correct-horse"]).redact_data(deep))


def test_redactor_hides_the_words_of_a_failure_and_its_causes() -> None:
    """Message, hint, data and causes lose the secret; type and frames stay."""
    cause = Failure(type="OSError", code="os", message="no correct-horse", frames=["a.py:1 f"])
    failure = Failure(
        type="E", code="e", message="correct-horse", hint="use correct-horse", data=["correct-horse"], cause=cause
    )
    redacted = Redactor(["correct-horse"]).redact_failure(failure)
    assert "correct-horse" not in repr(redacted)
    assert redacted.cause is not None
    assert redacted.cause.frames == ["a.py:1 f"]


@pytest.mark.parametrize(
    "piece", ["eyJ-", "://a@", "password=", "-----BEGIN PRIVATE KEY", "ghp_a", "a" * 31, "authorization:", "--secret ", "k7/", "\n "]
)  # fmt: skip
def test_redactor_takes_linear_time(piece: str) -> None:
    """Four times the text takes no more than about four times as long, for each text that could make an expression go back."""

    def spent(count: int) -> float:
        text = piece * (count // len(piece))
        best = 1e9
        for _ in range(3):
            started = time.process_time()
            redactor.redact(text)
            best = min(best, time.process_time() - started)
        return best

    redactor = Redactor([CANARY])
    assert spent(80_000) < 12 * spent(20_000) + 0.05


def test_lists_and_tables_below_a_secret_name_are_hidden():
    """Whole, whatever is in them; figures are no secrets."""
    data = {"tokens": ["one", "two"], "password": {"value": "three"}, "total_tokens": 1234}
    assert Redactor().redact_data(data) == {"tokens": "***", "password": "***", "total_tokens": 1234}


@given(st.lists(st.text("ab-]^\\", min_size=6, max_size=40), max_size=6), st.text("ab-]^\\", max_size=90))
def test_overlap_is_the_longest_end_with_which_a_value_begins(values: list[str], text: str) -> None:
    """For values that begin alike, too."""
    redactor = Redactor(values)
    ends = [text[at:] for at in range(len(text))]
    starts = [end for end in ends if any(form != end and form.startswith(end) for form in redactor._needles)]
    assert redactor.overlap(text) == max(map(len, starts), default=0)
