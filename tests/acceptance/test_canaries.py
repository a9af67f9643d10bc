"""A secret that a command lets out in many forms is in nothing that people, files and programs get."""

import json
import sys

from mainspring.alerting.metrics.metrics_reader import MetricsReader
from mainspring.app.stores.store_factory import make_store
from mainspring.domain.clock import SystemClock
from mainspring.web.exposition import render_exposition
from tests.acceptance.receiver import Receiver
from tests.acceptance.wrapping import Place
from tests.otlp_collector import OtlpCollector
from tests.secret_encodings import CANARY, encodings, leaks

LEAK = """
import sys
for form in open(sys.argv[1], encoding="utf-8").read().split("\\0"):
    print(form, flush=True)
    print("it failed with", form, file=sys.stderr, flush=True)
sys.exit(3)
"""
READ_COMMANDS = (
    *("status", "incidents list", "incidents list --json", "incidents show @last", "incidents show @last --json"),
    *(
        "failed list --by error --json",
        "runs show @last",
        "runs show @last --json",
        "runs logs @last",
        "runs logs @last --json",
    ),
    *("runs export @last", "explain @last", "notify log --json", "monitors list --json", "audit-log list --json"),
)


def test_secret_in_any_form_is_in_no_sink(place: Place, receiver: Receiver, collector: OtlpCollector) -> None:
    """Messages, what commands show, metrics, traces, and the bytes of store and spool: its lines are there, without it."""
    forms = place.folder / "forms"
    forms.write_text("\0".join(encodings(CANARY).values()), encoding="utf-8")
    place.env |= {
        **receiver.settings,
        "MAINSPRING_SECRET_CANARY": CANARY,
        "MAINSPRING_OTEL_ENDPOINT": collector.endpoint,
    }
    done = place.exec("-n", "leak", "--", sys.executable, "-c", LEAK, str(forms))
    assert done.returncode == 3
    assert "it failed with" in place.call("runs", "logs", "@last").stdout.decode()
    collector.until("leak")
    sinks = {"traces": b"\n".join(collector.bodies).decode("utf-8", "replace")}
    place.watch()
    (message,) = receiver.messages
    sinks |= {"message": json.dumps(message, ensure_ascii=False)}
    for words in READ_COMMANDS:
        displayed = place.call(*words.split())
        assert displayed.returncode in (0, 7, 9), (words, displayed.stderr)
        sinks[words] = (displayed.stdout + displayed.stderr).decode()
    store = make_store(place.store, clock=SystemClock(), deliver=lambda answers: None)
    store.open()
    sinks["metrics"] = render_exposition(MetricsReader(place.store, {}).read(store.reader, SystemClock().now()))
    store.close()
    for path in (*place.store.parent.rglob("*"), *place.spool.rglob("*")):
        if path.is_file():
            sinks[path.name] = path.read_bytes().decode("utf-8", "replace")
    assert {name: leaks(text) for name, text in sinks.items() if leaks(text)} == {}
