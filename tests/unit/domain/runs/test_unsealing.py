"""Sealed history made readable, strictly for the engine and leniently for people."""

import msgspec
import pytest

from mainspring.domain.errors import SealedError
from mainspring.domain.failures.failure import Failure
from mainspring.domain.runs.journal import AttemptRecord, Checkpoint, Fact, FactKind, History, Outcome, OutcomeKind
from mainspring.domain.runs.unsealing import RowUnsealer
from mainspring.domain.states import AttemptState, OutcomeState
from mainspring.domain.values.sealing import PLAIN_SEALING, Sealing


class Reversing:
    """Writes the bytes the other way round."""

    id = "rev"

    def encode(self, data: bytes) -> bytes:
        return data[::-1]

    def decode(self, data: bytes) -> bytes:
        return data[::-1]


SEALING = Sealing(Reversing())
FAILURE = Failure(type="E", code="e", message="swordfish")


def history(sealing):
    seal, failure = sealing.seal, sealing.seal_failure(FAILURE)

    def outcome(rank, **more):
        state = OutcomeState.SUCCEEDED
        return Outcome(
            rank, "a#1", "a", OutcomeKind.STEP, state, 1, 1, 0, 0, 0, 0, seal(b"1"), seal(b"2"), failure, **more
        )

    attempt = AttemptRecord("a#1", "a", 0, 1, AttemptState.FAILED, 1, 0, failure=failure, input=seal(b"3"))
    fact = Fact(1, "r", FactKind.SIGNAL, "s", 0, payload=seal(b"4"), failure=failure)
    checkpoints = {"a#1": Checkpoint("a#1", seal(b"5"), 1, 2, 0)}
    return History([outcome(1)], [attempt], checkpoints, [fact], [outcome(2, superseded=1)])


def test_whole_history_is_opened_but_for_the_inbox():
    """Superseded outcomes too, which a rollback undoes; a fact is opened when it is accepted."""
    opening = RowUnsealer(SEALING)
    opened = opening.history(history(SEALING))
    plain = history(PLAIN_SEALING)
    assert msgspec.structs.replace(opened, facts=[]) == msgspec.structs.replace(plain, facts=[])
    assert [opening.fact(fact) for fact in opened.facts] == plain.facts


def test_plain_rows_are_not_copied():
    """A store that no one seals pays for nothing."""
    plain = history(PLAIN_SEALING)
    assert RowUnsealer(PLAIN_SEALING).history(plain).outcomes[0] is plain.outcomes[0]


def test_engine_stops_at_what_it_cannot_read():
    """Nothing is continued from a value that is not there."""
    with pytest.raises(SealedError, match="'rev'"):
        RowUnsealer(PLAIN_SEALING).history(history(SEALING))


def test_people_get_the_rest():
    """What stays closed is as it was, and why is reported once."""
    opening, sealed = RowUnsealer(PLAIN_SEALING, lenient=True), history(SEALING)
    assert opening.history(sealed).outcomes == sealed.outcomes
    assert opening.text(SEALING.seal_text("title")) is None
    assert len(opening.closed) == 1
