"""Arrivals made ready for the store."""

from typing import Any

import msgspec
import pytest

from mainspring.domain.errors import SealedError
from mainspring.domain.triggers.incoming_delivery import IncomingDelivery
from mainspring.domain.values.sealing import PLAIN_SEALING, Sealing
from mainspring.store.commands.results import Refused
from mainspring.triggers.delivery_command import PreparedDelivery, prepare_delivery
from mainspring.triggers.trigger_cache import CachedTrigger
from tests.unit.triggers.webhooks import event, fields, known, nothing, several, short, whole

ID = "d_01kb00000000000000000000aa"


def prepared(trigger: CachedTrigger, data: Any, sealing: Sealing = PLAIN_SEALING, key: str = "k") -> Any:
    delivery = IncomingDelivery(key=key, body=msgspec.json.encode(data), headers={"x-tenant": "t"})
    return prepare_delivery(trigger, delivery, data, id=ID, now=0, sealing=sealing, verified="none")


@pytest.mark.parametrize(
    ("fn", "options", "data", "path"),
    [
        (event, {}, {"anything": [1]}, None),
        (nothing, {}, {"anything": [1]}, None),
        (whole, {}, {"n": 1}, None),
        (whole, {}, {"n": "x"}, "$.n"),
        (whole, {"filter": lambda event: True}, {"n": "x"}, None),
        (several, {}, [{"n": 1}, {"n": "x"}], "$[1].n"),
        (several, {"batch": 5, "within": "1m"}, {"n": 1}, None),
        (several, {"batch": 5, "within": "1m"}, {"n": "x"}, "$.n"),
        (fields, {}, {"a": "x", "unknown": 1}, None),
        (fields, {}, {"a": "x", "b": {"n": None}}, "$.b.n"),
        (fields, {}, {"b": None}, "$"),
        (short, {}, {"name": "x"}, None),
        (short, {}, "x", "$"),
    ],
)
def test_delivery_is_checked_as_its_function_reads_it(fn, options, data, path):
    """The whole, its fields, one of a batch; a filter comes first."""
    found = prepared(known(fn, **options), data)
    assert found.at == path
    assert (found.command.refused is None) == (path is None)
    assert (found.command.refused or "").startswith(path or "") or path == "$"
    assert (found.command.start is None) == (path is not None or bool(options))


def test_prepared_delivery_has_all_stored_fields():
    """Body, headers, who checked it, and the run with its arguments."""
    found = prepared(known(whole), {"n": 1})
    assert isinstance(found, PreparedDelivery)
    command = found.command
    assert (command.id, command.trigger, command.key, command.verified) == (ID, "whole/webhook", "k", "none")
    assert (command.body, command.headers) == (b'{"n":1}', b'{"x-tenant":"t"}')
    assert command.start is not None
    assert b'"n":1' in command.start.input
    assert found.delivery.body_hash == command.body_hash


def test_valid_delivery_that_can_be_no_run_has_no_path():
    """As where a template has no value: it is kept with the reason."""
    found = prepared(known(event, partition="{data.customer}"), {"n": 1})
    assert "{data.customer} has no value" in found.command.refused
    assert (found.at, found.command.start) == (None, None)


@pytest.mark.parametrize("key", ["", "a\nb", "x" * 1_001, "\u53d7" * 700])
def test_key_that_no_store_can_keep_is_refused(key):
    """With its size."""
    found = prepared(known(whole), {"n": 1}, key=key)
    assert isinstance(found, Refused)
    assert (found.code, f"{len(key)} characters" in found.text) == ("bad_value", True)


def test_codec_that_fails_reports_nothing_of_what_was_delivered():
    """It is not refused: anyone who sent it sends it again."""

    class Broken:
        id = "broken"

        def encode(self, data: bytes) -> bytes:
            raise OSError("the key server is away")

        def decode(self, data: bytes) -> bytes:
            return data

    with pytest.raises(SealedError):
        prepared(known(whole), {"n": 1}, Sealing(Broken()))
