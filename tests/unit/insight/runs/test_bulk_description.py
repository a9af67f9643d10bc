"""What a bulk act is, in words, and how it is asked for again."""

import msgspec
import pytest

from mainspring.domain.runs.bulk_operation import BulkVerb
from mainspring.domain.states import BulkState
from mainspring.insight.runs.bulk_description import bulk_command, bulk_title, describe_progress
from mainspring.store.read.bulk_operations import BulkView

VIEW = BulkView(
    seq=1,
    id="c_1",
    verb=BulkVerb.RETRY,
    state=BulkState.RUNNING,
    selection=b"{}",
    automations=("pay",),
    rate=None,
    actor="web:ana",
    reason=None,
    total=1_000,
    done=240,
    refused=10,
    reached="",
    made_at=0,
    changed_at=0,
    ended_at=None,
    due_at=0,
)


def test_head_names_what_was_chosen():
    """In the order in which one says it; nothing chosen is all runs that fit."""
    selection = {"state": ["failed"], "name": "pay", "error": "3f9a", "since": "1d"}
    assert bulk_title(BulkVerb.RETRY, selection) == "Retry failed runs of pay by error 3f9a since 1d"
    assert bulk_title(BulkVerb.DISCARD, {}) == "Discard runs"
    assert bulk_title(BulkVerb.CANCEL, {"limit": 1_500, "name": "pay"}) == "Cancel the newest 1,500 runs of pay"
    assert bulk_title(BulkVerb.RETRY, {"ended_since": "24h"}) == "Retry runs ended since 24h"
    selection = {"trigger": "pay/webhook", "state": "failed", "verified": "github", "until": "1h"}
    sentence = "Replay failed deliveries for pay/webhook with verifier result github until 1h"
    assert bulk_title(BulkVerb.REPLAY, selection) == sentence


@pytest.mark.parametrize(
    ("verb", "selection", "rate", "line"),
    [
        (BulkVerb.RETRY, {"name": "a b", "state": ["failed"]}, "10/s", "failed retry --state failed --name 'a b' --rate 10/s --background"),
        (BulkVerb.DISCARD, {"error": "3f"}, None, "failed discard --error 3f --background"),
        (BulkVerb.DISCARD, {"state": ["needs_attention"]}, None, "failed discard --limit 20000 --background"),
        (BulkVerb.CANCEL, {"name": "pay", "until": "1h"}, "1/s", "runs cancel --name pay --until 1h --rate 1/s --background"),
        (BulkVerb.RETRY, {"name": "pay", "ended_since": "24h"}, None, "failed retry --name pay --ended-since 24h --background"),
        (BulkVerb.REPLAY, {"state": "failed", "verified": "a b"}, "9/s", "triggers replay --state failed --verified 'a b' --rate 9/s"),
        (BulkVerb.REPLAY, {}, None, "triggers replay --limit 20000"),
        (BulkVerb.RETRY, {"name": "pay", "limit": 5}, None, "failed retry --name pay --limit 5 --background"),
        (BulkVerb.RETRY, {"limit": 5}, None, "failed retry --limit 5 --background"),
    ],
)  # fmt: skip
def test_command_line_selects_the_same_runs(verb, selection, rate, line):
    """Each with a filter, for the command line acts on nothing that is not said."""
    assert bulk_command(verb, selection, rate) == f"mainspring {line}"


def test_sentence_states_how_far_it_is():
    """While it runs with how long it takes at this pace; later what is left."""
    assert describe_progress(VIEW, 60_000) == "240 of 1,000 runs done, 10 refused; 750 left, some 3m more."
    paused = msgspec.structs.replace(VIEW, state=BulkState.PAUSED, refused=0)
    assert describe_progress(paused, 60_000) == "240 of 1,000 runs done; 760 left as they are."
    operation = msgspec.structs.replace(VIEW, verb=BulkVerb.REPLAY, total=1, done=1, refused=0, state=BulkState.DONE)
    assert describe_progress(operation, 60_000) == "1 of 1 delivery done."
    done = msgspec.structs.replace(VIEW, state=BulkState.DONE, done=1_000, refused=0)
    assert describe_progress(done, 60_000) == "1,000 of 1,000 runs done."
