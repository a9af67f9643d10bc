"""The record of the secrets of webhooks."""

import asyncio

import pytest

from mainspring.resources.secret_store import SecretStore
from mainspring.store.read.secret_uses import list_secret_uses
from mainspring.web.webhooks import webhook_intake
from mainspring.web.webhooks.secret_use_record import SecretUseRecord
from tests.hook_samples import Request
from tests.hook_world import ENV, JSON, TOKEN, world

pytestmark = pytest.mark.asyncio
HOUR = 3_600_000


async def test_secret_that_verifies_senders_is_recorded_once_an_hour(tmp_path, monkeypatch):
    """A sender without it, and a webhook without a verifier, leave no record."""
    monkeypatch.setattr(webhook_intake, "_CHECK_EVERY_S", 0.0)
    async with world(tmp_path) as w:
        assert (await w.ask("/orders", Request(b"{}", JSON))).status == 401
        assert (await w.ask("/open", Request(b"{}", JSON))).status == 202
        for number in range(3):
            assert (await w.ask("/orders", Request(b'{"id": "o-%d"}' % number, TOKEN))).status == 202
        async with asyncio.timeout(60):
            while not (uses := list_secret_uses(w.store.reader, None, 0, w.clock.now() + HOUR, 9)):
                w.process.changed()
                await asyncio.sleep(0)
        assert [(use.secret, use.automation, use.step, use.number) for use in uses] == [("S", "order", "webhook", 1)]
        record, hook = SecretUseRecord(SecretStore.of(None, ENV)), w.intake.table.find("/orders")
        counts = []
        for now in (0, 1, HOUR - 1, HOUR):
            record.note(hook)
            counts.append(len(record.take_new(now)))
        assert counts == [1, 0, 0, 1]
        assert record.take_new(2 * HOUR) == ()
