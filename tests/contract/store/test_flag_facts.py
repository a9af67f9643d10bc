"""What monitors know of flags: who asked, when, and which questions the default of the code answered."""

from mainspring.alerting.inputs.flag_facts import FlagFactsReader
from mainspring.domain.flags.flag import FlagKind, FlagReason, FlagSide
from mainspring.domain.flags.flag_change import FlagChange
from mainspring.domain.flags.flag_use import FlagUse
from mainspring.store.commands.flags import ChangeFlag, DeleteFlag, RecordFlagUses

HOUR = 3_600_000
DAY = 24 * HOUR


def make_use(flag, automation="a", reason=FlagReason.SHARE):
    side = FlagSide.DEFAULT if reason in (FlagReason.UNKNOWN, FlagReason.KIND_MISMATCH) else FlagSide.ON
    return FlagUse(flag, automation, side, reason, 1)


def test_reader_knows_the_users_and_the_last_question(store, second, clock):
    """The users are those of the last 7 days, the last question is of any time; what is cached equals a fresh read."""
    store.do(ChangeFlag("f", FlagChange(share=10)), ChangeFlag("g", FlagChange()))
    shared = FlagFactsReader(second.reader)
    assert [(flag.flag.name, flag.last_question_at, flag.users) for flag in shared.read(clock.now()).known] == [
        ("f", None, ()),
        ("g", None, ()),
    ]
    store.do(RecordFlagUses(1, (make_use("f"),)))
    first_at = clock.now()
    for number, (ms, automation) in enumerate(((1, "b"), (HOUR, "c"), (DAY, "d")), 2):
        clock.forward(ms)
        store.do(RecordFlagUses(number, (make_use("f", automation),)))
        assert shared.read(clock.now()) == FlagFactsReader(store.reader).read(clock.now())
    (known, _) = shared.read(clock.now()).known
    assert (known.last_question_at, known.users) == (clock.now(), ("a", "b", "c", "d"))
    clock.forward(9 * DAY)
    (known, _) = shared.read(clock.now()).known
    assert (known.users, known.last_question_at) == ((), first_at + 1 + HOUR + DAY)


def test_question_that_no_flag_answers_counts_for_a_day(store, clock):
    """Until the flag is created, or is of the other type."""
    reader = FlagFactsReader(store.reader)
    store.do(ChangeFlag("new-cart", FlagChange()))
    uses = (
        make_use("new-crt", reason=FlagReason.UNKNOWN),
        make_use("new-crt", "", reason=FlagReason.UNKNOWN),
        make_use("new-cart", "b", reason=FlagReason.KIND_MISMATCH),
        make_use("new-cart"),
    )
    store.do(RecordFlagUses(1, uses))
    found = {item.name: item for item in reader.read(clock.now()).unanswered}
    assert set(found) == {"new-crt", "new-cart"}
    unknown, other = found["new-crt"], found["new-cart"]
    assert (unknown.users, unknown.flag, unknown.nearest) == (("", "a"), None, "new-cart")
    assert (other.users, other.reason, other.flag.kind) == (("b",), FlagReason.KIND_MISMATCH, FlagKind.BOOLEAN)
    assert other.first_at <= other.last_at == clock.now()
    clock.forward(1)
    store.do(ChangeFlag("new-crt", FlagChange()), DeleteFlag("new-cart"))
    assert reader.read(clock.now()).unanswered == ()
    store.do(ChangeFlag("new-cart", FlagChange(kind=FlagKind.STRING, on_value='"x"')), DeleteFlag("new-crt"))
    assert [item.name for item in reader.read(clock.now()).unanswered] == ["new-crt"]
    assert reader.read(clock.now() + DAY).unanswered == ()
