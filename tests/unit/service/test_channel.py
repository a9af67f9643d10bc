"""That a channel was tried is on record, once."""

from mainspring.service.channel import ChannelTest, read_last_test, record_test, was_tested


def test_test_message_is_recorded_once(store, reads, act):
    """The last one counts; the same press is known again."""
    first = act()
    assert read_last_test(reads, "ops") is None
    assert not was_tested(reads, "ops", act=first)
    record_test(store, "ops", ChannelTest(1, "no route"), act=first)
    assert was_tested(reads, "ops", act=first)
    assert read_last_test(reads, "ops") == ChannelTest(1, "no route")
    record_test(store, "ops", ChannelTest(2, None), act=act())
    assert read_last_test(reads, "ops") == ChannelTest(2, None)
    assert read_last_test(reads, "mail") is None
    assert [(row.verb, row.subject) for row in reads.audit_rows()] == [("test", "channel:ops")] * 2
