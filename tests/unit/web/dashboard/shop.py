"""A shop whose automations listen to everything there is, and what arrived for them: for the pages on triggers and settings."""

from datetime import timedelta

from msgspec.structs import replace

from mainspring.config.settings import NotifySettings
from mainspring.domain.clock import SystemClock
from mainspring.domain.definitions.definition import Definition, DefinitionKind
from mainspring.domain.ids import make_id
from mainspring.domain.notifications.routing import read_route
from mainspring.domain.triggers.event_sources import EventSource, RunEndSource
from mainspring.domain.triggers.flow_control import FlowControl
from mainspring.domain.triggers.queues.queue_source import BrokerQueue
from mainspring.domain.triggers.trigger import EventBinding, Trigger
from mainspring.domain.triggers.webhooks.webhook import Webhook
from mainspring.domain.values.codec import encode
from mainspring.domain.values.sealing import PLAIN_SEALING
from mainspring.engine.definitions.announcement import build_trigger_row
from mainspring.integrations.github import github
from mainspring.service.actor import Actor, operation_context
from mainspring.service.triggers.event import publish
from mainspring.store.commands.outbox import MessageRefusal, SettleQueue
from mainspring.store.commands.runs import ClaimRuns, StartRun
from mainspring.store.commands.triggers import AcceptDelivery, RejectDelivery
from tests.api_world import BACKUP, PAY, announce
from tests.contract.store.process import outcome, post, take

SHOP = Definition(
    kind=DefinitionKind.WORKFLOW,
    name="shop",
    triggers={
        "webhook": Trigger(
            source=Webhook(path="/orders", verify=github("github")),
            reading=EventBinding(how="data", parameter="order"),
        ),
        "event": Trigger(
            source=EventSource(name="order.paid", where={"kind": "book"}),
            pace=FlowControl(debounce=60_000, by="{data.id}"),
            reading=EventBinding(how="event", parameter="event"),
        ),
    },
)
LABELS = Definition(
    kind=DefinitionKind.TASK,
    name="labels",
    triggers={
        "queue": Trigger(source=BrokerQueue(broker="nats", server="nats://localhost:4222", name="labels")),
        "run": Trigger(source=RunEndSource(automation="backup")),
    },
)
CHANNELS = {"ops": "slack://secret:bot/#ops", "mail": "smtp://127.0.0.1:1/a@example.com", "me": "terminal"}


class Shop:
    """Fills a world of pages; `world` may be of any kind that has a store, a clock and a site."""

    def __init__(self, world):
        self.world, self.store, self.clock = world, world.store, world.clock
        definitions = (PAY, BACKUP, SHOP, LABELS)
        triggers = tuple(
            build_trigger_row(definition.name, end, found)
            for definition in definitions
            for end, found in definition.triggers.items()
        )
        announce(self.store, *definitions, triggers=triggers)

    def act(self):
        return operation_context(Actor.cli("ann", "box"), self.clock)

    def id(self, prefix="d"):
        return make_id(prefix, self.clock.now(), SystemClock().random_bits(80))

    def arrive(self, key="k1", *, trigger="shop/webhook", starts=True, **options):
        """Accept a delivery; return its id."""
        name = trigger.partition("/")[0]
        run = StartRun(id=self.id("r"), automation=name, kind="task", version=1, input=b"{}", codec="json", trigger="x")
        body = encode({"order": key, "password": "hunter22"})
        headers = encode({"x-github-event": "push", "x-hub-signature-256": "sha256=s3cret"})
        values = {"body_hash": "h", "body": body, "headers": headers, "verified": "github", "name": "push"}
        made = AcceptDelivery(
            id=self.id(), trigger=trigger, key=key, start=run if starts else None, **(values | options)
        )
        self.store.apply(made)
        return made.id

    def reject(self, note="the signature is another one", trigger="shop/webhook"):
        """Refuse something at intake; return its id."""
        made = RejectDelivery(id=self.id(), trigger=trigger, why="bad_signature", note=note, body=b"<script>x</script>")
        self.store.apply(made)
        return made.id

    def publish(self, name="order.paid", data=None, key=None):
        """Publish an event; return its id."""
        data = {"id": 7, "kind": "book"} if data is None else data
        return publish(self.store, self.clock, name, data, act=self.act(), key=key, sealing=PLAIN_SEALING).id

    def refuse_messages(self, *ids):
        """Let a run send messages that their broker refuses, and one more that waits; return the run."""
        self.world.begin()
        (run,) = self.store.apply(ClaimRuns(self.id("c"), 1)).runs
        self.store.apply(outcome(run, 1, posts=tuple(post(id=id) for id in ids)))
        lease = take()
        (queue,) = self.store.apply(lease).queues
        refused = tuple(MessageRefusal(message.seq, f"{message.id} is too large") for message in queue.messages)
        self.store.apply(SettleQueue(lease.lease, queue.name, refused=refused))
        return run.id


def with_channels(world):
    """Give a world channels and a route; its pages and its API read them from here on."""
    route = read_route({"match": {"severity": "page"}, "to": ["ops"], "escalate": ["mail"], "quiet": "22:00-07:00"})
    notify = NotifySettings(channels=CHANNELS, route=(route,), repeat=timedelta(hours=2))
    settings = replace(world.site.settings, notify=notify)
    world.use(settings)
