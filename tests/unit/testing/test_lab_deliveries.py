"""Deliveries of a lab: triggers start runs without any sender, and messages leave without any broker."""

import pytest

import mainspring as ms
from mainspring.domain.errors import OptionError
from mainspring.engine.definitions.registry import Registry
from mainspring.testing import Lab, LabError


@pytest.fixture
def registry():
    """Automations of one test alone."""
    with Registry() as registry:
        yield registry


@pytest.fixture
def ship(registry):
    @ms.on.webhook("/orders", verify=ms.verify.github("GITHUB"))
    @ms.on.queue("nats://nowhere.invalid/ORDERS?subject=orders.created", partition="{body.customer}")
    @ms.task
    def ship(order: dict) -> str:
        ms.publish("order.shipped", order)
        ms.send("warehouse/parcels", order, key=f"parcel:{order['id']}")
        return order["customer"]

    return ship


def test_webhook_and_message_start_a_run_each(registry, ship):
    """No broker is reached, no signature is needed, and a delivery of the same key counts once."""
    with Lab(registry=registry) as lab:
        run = lab.deliver("/orders", {"id": 7, "customer": "a"}, headers={"X-GitHub-Delivery": "d1"})
        assert run.result() == "a"
        again = lab.deliver("/orders", {"id": 7, "customer": "a"}, headers={"X-GitHub-Delivery": "d1"})
        assert again.id == run.id
        [queue] = [name for name in lab.do(list_triggers) if "webhook" not in name]
        assert lab.deliver(queue, {"id": 8, "customer": "b"}).result() == "b"
        assert [(message.queue, message.key, message.body) for message in lab.sent] == [
            ("warehouse/parcels", "parcel:7", b'{"customer":"a","id":7}'),
            ("warehouse/parcels", "parcel:8", b'{"customer":"b","id":8}'),
        ]
        assert len(lab.runs("ship")) == 2


async def list_triggers(app: ms.App) -> list[str]:
    """Return the names of all triggers."""
    return [name for name, *_ in app.open_store().reader.read("list_triggers")]


def test_file_starts_a_run_with_its_path(registry, tmp_path):
    """The file stays where it is, whatever the trigger does with files."""

    @ms.on.files("inbox", pattern="*.csv", after_success="delete")
    @ms.task
    def count(file: ms.File) -> int:
        with open(file) as opened:
            return len(opened.readlines())

    path = tmp_path / "a.csv"
    path.write_text("1\n2\n")
    with Lab(registry=registry) as lab:
        assert lab.deliver(count, file=path).result() == 2
        lab.advance("1h")
        assert path.exists()
        with pytest.raises(OptionError, match="takes a file"):
            lab.deliver("count", {"x": 1})


def test_impossible_delivery_is_an_error(registry, ship):
    """It names the triggers, or the reason of the rejection."""
    with Lab(registry=registry) as lab:
        with pytest.raises(LabError, match=r"no webhook, queue or folder has this name\. Triggers: ship"):
            lab.deliver("/nowhere", {})
        with pytest.raises(LabError, match="several triggers"):
            lab.deliver(ship, {"id": 1})
        with pytest.raises(OptionError, match="takes no file"):
            lab.deliver("/orders", file="x.csv")
        with pytest.raises(OptionError, match="both given"):
            lab.deliver("/orders", {"id": 1}, body=b"{}")
        with pytest.raises(LabError, match="rejects"):
            lab.deliver("/orders", [1, 2])
        with pytest.raises(LabError, match="rejects"):
            lab.deliver("/orders", body=b"{")
        assert lab.runs() == []
