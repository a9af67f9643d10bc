"""Definitions as data: loss-free, with titles that never fail and templates that are checked early."""

import msgspec
import pytest

from mainspring.domain.definitions.definition import Definition, DefinitionKind, build_schedules
from mainspring.domain.errors import OptionError
from mainspring.domain.time.schedule import Schedule

SLOT = 1_767_582_000_000  # 2026-01-05T03:00:00Z
PARAMETERS = {"type": "object", "properties": {"order": {"type": "object"}}, "additionalProperties": False}


def defined(**options) -> Definition:
    return Definition(
        kind=DefinitionKind.WORKFLOW,
        name="ship",
        module="shop.orders",
        qualname="ship",
        version=3,
        options=options,
        schedules=build_schedules(options, "ship"),
        parameters=PARAMETERS,
        fingerprint="f" * 64,
        command=["./x", "a b"],
        cwd="/srv",
        env={"LANG": "C"},
        doc="Ships.",
        file="/srv/shop/orders.py",
        line=12,
    )


def test_definition_survives_the_store():
    """JSON and back is the same definition."""
    definition = defined(cron=["0 3 * * *", "H 4 * * *"], every="15m", tags={"a": ""}, retry={"attempts": 3})
    data = msgspec.json.decode(msgspec.json.encode(definition.to_data()))
    assert Definition.from_data(data) == definition
    assert len(definition.schedules) == 3


def test_option_falls_back_to_the_default_of_the_table():
    """What was not written has its default; spans come out as spans."""
    definition = defined(timeout="20m", silence=False)
    assert definition.option("queue") == "default"
    span = definition.span("timeout")
    assert span is not None
    assert span.total_seconds() == 1200
    assert definition.span("silence") is None
    assert definition.span("deadline") is None


@pytest.mark.parametrize(
    ("title", "text"),
    [
        (None, "ship"),
        ("order {order.id}", "order 7"),
        ("{order.colour} of {slot:%F %H}", "? of 2026-01-05 04"),
        ("{order} {{x}}", "? {x}"),
    ],
)
def test_title_never_keeps_a_run_from_starting(title, text):
    """What has no value reads as a question mark; the slot is reported in the schedule's zone."""
    options = {"title": title} if title else {}
    definition = defined(cron=["0 3 * * *"], tz="Europe/Berlin", **options)
    assert definition.title_for({"order": {"id": 7}}, SLOT) == text


def test_expand_uses_the_zone_and_needs_every_value():
    """A path is exact or an error."""
    definition = defined(tz="Asia/Tokyo")
    assert definition.expand("/b/{slot:%F-%H}.gz", {}, SLOT) == "/b/2026-01-05-12.gz"
    with pytest.raises(OptionError, match="no value"):
        definition.expand("/b/{slot:%F}.gz", {})


@pytest.mark.parametrize("option", ["title", "key", "partition", "produces"])
def test_template_with_an_unknown_argument_is_refused(option):
    """The message names option, automation, place and the nearest argument."""
    written = ["{ordr.id}"] if option == "produces" else "{ordr.id}"
    with pytest.raises(OptionError, match="ordr") as refused:
        defined(**{option: written}).check_templates()
    assert option in refused.value.message
    assert "/srv/shop/orders.py:12" in refused.value.message
    assert "order" in (refused.value.hint or "")
    defined(**{option: ["{order.id}"] if option == "produces" else "{slot}"}).check_templates()


def test_template_is_free_where_any_argument_may_come():
    """Open arguments cannot be checked early; where there are none, it is refused."""
    titled = defined(title="{anything}")
    msgspec.structs.replace(titled, parameters={"additionalProperties": True}).check_templates()
    with pytest.raises(OptionError, match="anything"):
        msgspec.structs.replace(titled, parameters={"additionalProperties": False}).check_templates()


def test_schedules_come_from_options_once_each():
    """`at` is a daily time in the zone, equal schedules count once, more may be stacked."""
    found = build_schedules(
        {"cron": ["0 3 * * *"], "at": ["03:00", "13:30"], "tz": "Europe/Berlin", "every": "1h"},
        "ship",
        [Schedule.parse(every="60m"), Schedule.parse(cron="@daily")],
    )
    assert [schedule.key for schedule in found] == [
        "cron 0 3 * * * Europe/Berlin",
        "cron 30 13 * * * Europe/Berlin",
        "every 3600000+0",
        "cron 0 0 * * * UTC",
    ]


def test_zone_with_only_elapsed_time_is_refused():
    """A zone that would do nothing is a mistake of its author."""
    with pytest.raises(OptionError, match="no time zone"):
        build_schedules({"every": "1h", "tz": "Europe/Berlin"}, "ship")
