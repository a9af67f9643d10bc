"""That a channel was tried is on record, once."""

from mainspring.service.channel import Trial, last_trial, note_trial, was_tried


def test_trial_is_on_record_once(store, reads, act):
    """The last one counts; the same press is known again."""
    first = act()
    assert last_trial(reads, "ops") is None
    assert not was_tried(reads, "ops", act=first)
    note_trial(store, "ops", Trial(1, "no route"), act=first)
    assert was_tried(reads, "ops", act=first)
    assert last_trial(reads, "ops") == Trial(1, "no route")
    note_trial(store, "ops", Trial(2, None), act=act())
    assert last_trial(reads, "ops") == Trial(2, None)
    assert last_trial(reads, "mail") is None
    assert [(one.verb, one.subject) for one in reads.audit_rows()] == [("test", "channel:ops")] * 2
