"""Values are sealed with the name of their codec in front, or not at all."""

import pytest

from mainspring.domain.errors import CodecUnavailableError, OptionError, SealedError
from mainspring.domain.failures.classifier import Classifier
from mainspring.domain.failures.failure import Failure
from mainspring.domain.failures.verdict import FailureKind, transient
from mainspring.domain.values.sealing import MAX_PAYLOAD_BYTES, PLAIN_SEALING, Sealing, read_payload_limit, split_sealed


class Reversing:
    """Writes the bytes the other way round."""

    def __init__(self, id: str = "rev", *, breaks: bool = False) -> None:
        self.id = id
        self.breaks = breaks

    def encode(self, data: bytes) -> bytes:
        if self.breaks:
            raise RuntimeError("swordfish")
        return data[::-1]

    def decode(self, data: bytes) -> bytes:
        if self.breaks:
            raise RuntimeError("swordfish")
        return data[::-1]


SEALING = Sealing(Reversing())
FAILURE = Failure(
    type="builtins.Boom",
    code="http_500",
    message="swordfish",
    kind=FailureKind.TRANSIENT,
    hint="swordfish",
    data={"a": "swordfish"},
    retry_after_ms=5,
    not_sent=True,
    frames=["a.py:1 f"],
    cause=Failure(type="E", code="e", message="swordfish"),
)


def test_sealed_value_names_its_codec_and_opens_again():
    """The codec's id stands in front; JSON is never taken for a sealed value."""
    sealed = SEALING.seal(b'{"a":1}')
    parts = split_sealed(sealed)
    assert parts is not None
    assert (parts.codec, parts.data) == ("rev", b'}1:"a"{')
    assert SEALING.open(sealed) == b'{"a":1}'
    assert split_sealed(b'{"a":1}') is None


def test_plain_values_are_read_by_every_codec():
    """A store that was plain continues with a codec."""
    assert SEALING.open(b"[1]") == b"[1]"
    assert SEALING.open_text("title") == "title"
    assert PLAIN_SEALING.seal(b"[1]") == b"[1]"


@pytest.mark.parametrize("other", [PLAIN_SEALING, Sealing(Reversing("other"))])
def test_value_of_a_codec_that_is_not_at_hand_states_which(other):
    """Nothing is guessed."""
    with pytest.raises(SealedError, match="sealed by codec 'rev'") as error:
        other.open(SEALING.seal(b"1"))
    assert "MAINSPRING_STORE_CODEC" in str(error.value.hint)


def test_codec_that_breaks_lets_nothing_out():
    """Its error names the codec and what it raised, not what that said; a failure loses its words rather than its secret."""
    broken = Sealing(Reversing(breaks=True))
    with pytest.raises(SealedError, match="could not seal a value: RuntimeError"):
        broken.seal(b"1")
    with pytest.raises(SealedError, match="could not open a value: RuntimeError"):
        broken.open(SEALING.seal(b"1"))
    sealed = broken.seal_failure(FAILURE)
    assert "swordfish" not in str(sealed)
    assert (sealed.code, sealed.sealed) == ("http_500", None)


def test_sealed_failure_keeps_outside_what_it_is_counted_by():
    """Type, code, kind, times and frames stay; message, hint, data and cause do not; all come back."""
    sealed = SEALING.seal_failure(FAILURE)
    assert (sealed.type, sealed.code, sealed.kind) == (FAILURE.type, FAILURE.code, FAILURE.kind)
    assert (sealed.retry_after_ms, sealed.not_sent, sealed.frames) == (5, True, ["a.py:1 f"])
    assert (sealed.message, sealed.hint, sealed.data, sealed.cause) == ("(sealed by codec 'rev')", None, None, None)
    assert SEALING.seal_failure(sealed) is sealed
    assert SEALING.open_failure(sealed) == FAILURE
    assert PLAIN_SEALING.seal_failure(FAILURE) is FAILURE


def test_text_is_sealed_as_text():
    """It fits a column of text, and any text comes back."""
    for text in ("", "Größe", "\ud800", "x" * 600):
        assert SEALING.open_text(SEALING.seal_text(text)) == text
    assert PLAIN_SEALING.seal_text("a") == "a"


@pytest.mark.parametrize("id", ["json", "", "has space", "UPPER", "x" * 41, "a\x00b"])
def test_codec_needs_a_word_of_its_own(id):
    """The id stands in front of each value, and "json" means plain."""
    with pytest.raises(OptionError, match="a codec cannot have the id"):
        Sealing(Reversing(id))


def test_largest_value_is_a_size_within_bounds():
    """What no frame to a child could carry is refused, with the largest that can be."""
    assert (read_payload_limit("256kB"), read_payload_limit("1MiB"), read_payload_limit(7)) == (256_000, 1 << 20, 7)
    assert read_payload_limit(MAX_PAYLOAD_BYTES) == MAX_PAYLOAD_BYTES
    for invalid in ("0B", 0, MAX_PAYLOAD_BYTES + 1, "lots", -1):
        with pytest.raises(OptionError):
            read_payload_limit(invalid)


@pytest.mark.parametrize(
    ("fault", "passes"),
    [
        (ConnectionError("refused"), True),
        (TimeoutError(), True),
        (OSError("the key service is away"), True),
        (PermissionError(13, "the key file"), False),
        (ValueError("wrong key"), False),
        (RuntimeError("unknown"), False),
    ],
)
def test_the_table_of_errors_states_whether_a_fault_of_the_codec_passes(fault, passes):
    """One that is unknown passes only if the system raised it: a wrong key is unknown too."""

    class Failing:
        id = "kms"

        def encode(self, data):
            raise fault

        decode = encode

    sealing = Sealing(Failing())
    for call in (lambda: sealing.seal(b"1"), lambda: sealing.open(b"\0kms\x001")):
        with pytest.raises(SealedError) as caught:
            call()
        assert isinstance(caught.value, CodecUnavailableError) is passes


def test_rules_of_the_user_evaluate_a_fault_of_the_codec_first():
    """As they judge a step's."""

    class Failing:
        id = "kms"

        def encode(self, data):
            raise RuntimeError("throttled")

        decode = encode

    sealing = Sealing(Failing()).with_classifier(Classifier([lambda error: transient("throttled")]))
    with pytest.raises(CodecUnavailableError):
        sealing.seal(b"1")
