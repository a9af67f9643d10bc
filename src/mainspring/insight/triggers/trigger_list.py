"""List of triggers as people see them: source, state, deliveries, and the curl command of a webhook.

Facts are read once for all of them.
"""

import re
import shlex
from collections.abc import Sequence
from typing import Any

import msgspec

from mainspring.domain.definitions.pause_state import is_paused
from mainspring.domain.derived_states import TriggerState
from mainspring.domain.redaction.secret_name import secret_variable_name
from mainspring.domain.states import SessionState
from mainspring.domain.triggers.trigger import split_trigger_name
from mainspring.domain.triggers.webhooks.verifier_options import HmacAlgorithm, SignatureEncoding
from mainspring.domain.triggers.webhooks.webhook import Webhook
from mainspring.insight.automations.source_description import describe_source
from mainspring.integrations.verifiers import find_verifier
from mainspring.store.base import StoreReader
from mainspring.store.read import triggers
from mainspring.store.read.status import status
from mainspring.store.session_views import SessionView
from mainspring.store.trigger_views import ConsumerView, DeliveryCounts
from mainspring.triggers.trigger_cache import CachedTrigger, TriggerCache

DAY_MS = 86_400_000
_MOST_SESSIONS = 1_000

_FILE = "event.json"
_AT = "T=$(date +%s); "
_SECRET = "\0"
"""Stands for the secret at the end of a header."""
_STANDARD_KEY = 'base64.b64decode(i.readline().strip().removeprefix(b"whsec_") + b"==")'


class TriggerLine(msgspec.Struct, frozen=True, kw_only=True):
    """One trigger. `since_at` and `why` belong to the state; a listening one has a `why` if something is in its way.

    `arrived` = deliveries of 24 hours by state; `capped` = of the newest only.
    """

    name: str
    automation: str
    kind: str
    state: TriggerState
    listens_to: str
    pace: list[str] = []
    filtered: bool = False
    since_at: int | None = None
    why: str | None = None
    arrived: dict[str, int] = {}
    at_the_door: int = 0
    capped: bool = False
    last_at: int | None = None
    curl: str | None = None


def list_trigger_lines(
    reader: StoreReader,
    now: int,
    base: str,
    *,
    known: TriggerCache | None = None,
    with_last: bool = True,
    sessions: Sequence[SessionView] | None = None,
) -> list[TriggerLine]:
    """Return all declared triggers, by name; `with_last` = also when the last delivery arrived, if that was before today.

    `base` = the address of webhooks, without a slash at its end. `known` is the cache to fill, for a caller that needs more of it;
    `sessions` = the live ones, if they were read already.
    """
    known = TriggerCache(reader) if known is None else known
    known.refresh()
    counts = triggers.count_deliveries_since(reader, now - DAY_MS)
    consumers: dict[str, list[ConsumerView]] = {}
    for consumer in triggers.consumers(reader):
        consumers.setdefault(consumer.trigger, []).append(consumer)
    live = status.sessions(reader, limit=_MOST_SESSIONS) if sessions is None else sessions
    roles = {session.role for session in live if session.state == SessionState.ALIVE}
    lines = []
    for trigger in known:
        day_counts = counts.by_trigger.get(trigger.name, DeliveryCounts())
        state = _evaluate_state(
            trigger, known.unreadable.get(trigger.name), consumers.get(trigger.name, []), roles, now
        )
        lines.append(
            TriggerLine(
                name=trigger.name,
                automation=trigger.definition.name,
                kind=trigger.trigger.kind,
                listens_to=describe_source(trigger.trigger.source),
                pace=trigger.trigger.pace.words(),
                filtered=trigger.trigger.filtered,
                arrived=day_counts.states,
                at_the_door=day_counts.at_the_door,
                capped=counts.more,
                last_at=day_counts.last_at or (triggers.last_delivery_at(reader, trigger.name) if with_last else None),
                curl=_build_curl(trigger, base),
                **state,
            )
        )
    lines += [_unreadable_line(name, reason) for name, reason in known.unreadable.items() if known.get(name) is None]
    return sorted(lines, key=lambda line: line.name)


def received_text(line: TriggerLine) -> str:
    """Return the results of a day: "started 12, filtered 3"."""
    text = ", ".join(f"{state} {number}" for state, number in sorted(line.arrived.items(), key=lambda item: -item[1]))
    return f"{text} of the newest {triggers.CAP:,}" if text and line.capped else text or "-"


def flow_control_text(line: TriggerLine) -> str:
    """Return the flow control in words."""
    return ", ".join(line.pace) or ("one run for all of them" if line.kind == "runs" else "one run each, at once")


def _evaluate_state(
    trigger: CachedTrigger, unreadable: str | None, consumers: list[ConsumerView], roles: set[str], now: int
) -> dict[str, Any]:
    if unreadable is not None:
        return {"state": TriggerState.PROBLEM, "why": f"a newer version of mainspring wrote it: {unreadable}"}
    if trigger.problem is not None:
        return {"state": TriggerState.PROBLEM, "why": trigger.problem}
    if is_paused(trigger, now):
        return {
            "state": TriggerState.PAUSED,
            "since_at": trigger.paused_at,
            "why": f"{trigger.definition.name} is paused",
        }
    if trigger.trigger.kind == "webhook" and "web" not in roles:
        return {"state": TriggerState.UNREACHABLE, "why": "no web process runs: mainspring up"}
    if not trigger.trigger.source.is_fetched:
        return {"state": TriggerState.LISTENING}
    if not consumers:
        return {"state": TriggerState.UNREACHABLE, "why": "no process has started to read from it: mainspring up"}
    live = [consumer for consumer in consumers if consumer.unreachable_at is None]
    if live:
        since_at = min((consumer.connected_at for consumer in live if consumer.connected_at is not None), default=None)
        reason = "; ".join(dict.fromkeys(consumer.reason for consumer in live if consumer.reason)) or None
        return {"state": TriggerState.LISTENING, "since_at": since_at, "why": reason}
    longest = min(consumers, key=lambda consumer: consumer.unreachable_at or now)
    return {
        "state": TriggerState.UNREACHABLE,
        "since_at": longest.unreachable_at,
        "why": longest.reason or "it is unreachable",
    }


def _build_curl(trigger: CachedTrigger, base: str) -> str | None:
    source: object = trigger.trigger.source
    return build_curl_command(source, base) if isinstance(source, Webhook) else None


def _unreadable_line(name: str, reason: str) -> TriggerLine:
    automation, end = split_trigger_name(name)
    text = f"a newer version of mainspring wrote it: {reason}"
    return TriggerLine(
        name=name,
        automation=automation,
        kind=end.partition("#")[0],
        state=TriggerState.PROBLEM,
        listens_to="?",
        why=text,
    )


def build_curl_command(webhook: Webhook, base: str) -> str:
    """Return a shell line that posts event.json; `base` = the address of webhooks, without a slash at its end.

    The secret goes through pipes only, since everyone on the machine can read the arguments of a program.
    """
    signer = _ShellSigner(webhook.verify.secrets)
    pipe, arguments = "", ""
    for name, value in find_verifier(webhook.verify.kind).example_headers(webhook.verify, signer).items():
        if value.endswith(_SECRET):
            pipe = f"{{ printf '{name}: {value.removesuffix(_SECRET)}'; {signer.read_secret()}; }} | "
            arguments += " -H @-"
        else:
            arguments += f' -H "{name}: {value}"'
    url = shlex.quote(base + webhook.path)
    return f"{_AT if signer.is_timed else ''}{pipe}curl -sS {url} -H 'content-type: application/json'{arguments} --data-binary @{_FILE}"


class _ShellSigner:
    """Writes the parts of a header as shell words between double quotes. `is_timed` = one of them needs the time."""

    def __init__(self, secrets: tuple[str, ...]) -> None:
        self._secrets = secrets
        self.is_timed = False

    def timestamp(self) -> str:
        self.is_timed = True
        return "$T"

    def secret(self) -> str:
        return _SECRET

    def text(self, literal: str) -> str:
        return re.sub(r'(["$`\\\\])', r"\\\1", literal)

    def hmac(
        self,
        content: str = "{body}",
        *,
        algorithm: HmacAlgorithm = "sha256",
        encoding: SignatureEncoding = "hex",
        is_standard_key: bool = False,
    ) -> str:
        """Return the words that make an HMAC of the file: Python reads the secret from the first line and signs the rest."""
        before, after = (self.text(part).replace("{timestamp}", "$T") for part in content.split("{body}"))
        parts = [f'printf %s "{before}"' if before else "", f"cat {_FILE}", f'printf %s "{after}"' if after else ""]
        signed = "; ".join(part for part in (self.read_secret(), *parts) if part)
        key = _STANDARD_KEY if is_standard_key else "i.readline().strip()"
        digest = "base64.b64encode(h.digest()).decode()" if encoding == "base64" else "h.hexdigest()"
        code = f'import base64, hmac, sys; i = sys.stdin.buffer; k = {key}; h = hmac.new(k, i.read(), "{algorithm}"); print({digest})'
        return f"$({{ {signed}; }} | python3 -c '{code}')"

    def read_secret(self) -> str:
        """Return the words that write the newest value of the secret, which is its first line during a rotation."""
        return f"printf '%s\\n' \"${secret_variable_name(self._secrets[0])}\" | head -n 1"
