"""Real processes' worth of groups at once, by chance: no limit is passed meanwhile, and nothing is lost, doubled or stuck afterwards."""

import os

import pytest

from mainspring.store.commands.automations import ApplyRetention
from mainspring.store.sqlite.texts import TEXTS
from tests.contract.store.storm import LIMITED, SEVERAL_LIVE, SLOT_ERRORS, SLOTS, THEMES, calm, prepare, storm

SEEDS = range(int(os.environ.get("STORM_SEEDS", "1")))
ACTORS, GROUPS = 4, int(os.environ.get("STORM_GROUPS", "60"))
RINGS_PER_GROUP = 0.1  # 0.01 on a machine at rest

NOT_NOTIFIED = "a parent was not told of its child's end"
LOST = {
    "a run sleeps beside a message": """
        select id from runs where ready = 0 and blocked is null and state in ('waiting', 'retrying')
          and exists (select 1 from inbox where run = runs.id)""",
    "an event that was published has a wait that never got it": """
        select waits.run, events.id from waits
        join event_matches on event_matches.match_hash = waits.match_hash join events on events.seq = event_matches.event
        where waits.kind = 'event' and waits.filled = 0 and events.at >= waits.since_at
          and not exists (select 1 from consumed_facts join runs on consumed_facts.run = coalesce(runs.chain, runs.id)
                          where runs.id = waits.run and consumed_facts.kind = 'event' and consumed_facts.source = events.id)""",
    "what the chain of a run was given is there twice": """
        select coalesce(runs.chain, runs.id), inbox.source from inbox join runs on runs.id = inbox.run
        where inbox.kind in ('event', 'signal') group by coalesce(runs.chain, runs.id), inbox.kind, inbox.source having count(*) > 1""",
    "the end of a run was not told to who waits for it": """
        select waits.run, waits.name from waits join runs on runs.id = waits.name
        where waits.kind = 'run' and waits.filled = 0 and runs.finished_at is not null""",
    "one key leads to several runs that go on": SEVERAL_LIVE,
    "a run waits for a key that no run holds": """
        select id from runs where blocked = 'key' and not exists (
            select 1 from run_keys join runs as holder on holder.id = run_keys.holder
            where run_keys.run = runs.id and holder.finished_at is null)""",
    "slots are wrong": SLOT_ERRORS,
    "a run waits for a slot that is free": f"""
        select id from runs where blocked = 'concurrency' and (
            select count(*) from runs as holder where holder.automation = runs.automation
              and holder.concurrency_key = runs.concurrency_key and holder.has_slot = 1) < {SLOTS}""",
    "an ended run holds a key": """
        select run_keys.key from run_keys join runs on runs.id = run_keys.holder where runs.finished_at is not null""",
    "one request started several runs": """
        select automation, request from start_requests where not exists (select 1 from runs where runs.id = start_requests.run)""",
    "a key is free and a run waits for it": """
        select id from runs where blocked = 'partition'
          and not exists (select 1 from partition_holds where partition_holds.queue = runs.queue
            and partition_holds.partition = runs.partition)""",
    NOT_NOTIFIED: """
        select parent.id, child.id from runs as child join runs as parent on parent.id = child.parent
        where child.finished_at is not null and parent.finished_at is null and child.superseded is null
          and not exists (
              select 1 from runs as successor where successor.chain = coalesce(child.chain, child.id) and successor.seq > child.seq)
          and not exists (select 1 from inbox where run = parent.id and source = child.id)
          and not exists (select 1 from journal where run = parent.id and ident like child.parent_ident || '@%')""",
}


def checks():
    """What `db check` asks."""
    return [name for name in TEXTS.names() if name.startswith("check_")]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("theme", THEMES)
def test_a_storm_loses_doubles_and_blocks_nothing(new_database, clock, theme, seed):
    """Four processes, few things; some are declared dead in between."""
    opener = new_database()
    opened = []

    def open_process():
        process = opener(clock).open()
        opened.append(process)
        process.announce("a", "b", definition=LIMITED)
        return process

    try:
        prepare(open_process())
        books = storm(open_process, theme, seed, actors=ACTORS, groups=GROUPS)
        last = open_process()
        last.do(ApplyRetention(None, None, None, None, None))  # as upkeep does each minute
        assert books.errors == []
        lost = {name: last.reader.read_text(text) for name, text in LOST.items()}
        # A run that was continued asks again for what it had asked for, and is reported then.
        lost[NOT_NOTIFIED] = [row for row in lost[NOT_NOTIFIED] if row[0] not in books.reopened]
        assert lost == {name: [] for name in LOST}
        assert len(books.slots) == len(set(books.slots))
        for tokens in books.tokens.values():
            assert len(tokens) == len(set(tokens))
        assert books.sent_again <= RINGS_PER_GROUP * books.groups
        calm(last)
        left = "select id, state, ready, probation, blocked, due_at, claim, losses from runs where finished_at is null"
        assert last.reader.read_text(left) == []
        assert last.reader.read_text("select run from partition_holds") == []
        assert {name: last.reader.read(name) for name in checks()} == {name: [] for name in checks()}
        assert last.read("verify_audit").broken_at is None
    finally:
        for process in opened:
            process.close()
