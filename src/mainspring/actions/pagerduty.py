"""PagerDuty, Events API v2: trigger, acknowledge and resolve an alert by its key."""

import hashlib
from collections.abc import Mapping
from typing import Any, Literal, get_args

import msgspec

from mainspring.actions.base.account import Account, AccountKind, find_account
from mainspring.actions.base.sent_once import SentOnce, repeat, repeat_async
from mainspring.domain.duration import SpanInput
from mainspring.domain.errors import OptionError, Permanent
from mainspring.domain.values.codec import encode
from mainspring.integrations.pagerduty import NOTIFIER, PagerDutyError, enqueue_event

PagerDutySeverity = Literal["critical", "error", "warning", "info"]
_SERVICE = AccountKind("PagerDuty", ("pagerduty",), "pagerduty://secret:NAME", NOTIFIER.read_address)
_LONGEST_KEY, _LONGEST_SUMMARY = 255, 1_024


class PagerDutyEvent(msgspec.Struct, frozen=True):
    """An event that PagerDuty accepted. `dedup_key` identifies its alert."""

    dedup_key: str


def trigger(
    summary: str,
    *,
    severity: PagerDutySeverity = "critical",
    source: str = "mainspring",
    details: Mapping[str, Any] | None = None,
    key: str | None = None,
    server: str | None = None,
    once: str | None = None,
    within: SpanInput | None = None,
) -> PagerDutyEvent:
    """Trigger an alert; one that is open and has the same key gets the event instead.

    `key` = the dedup key; without it that of `once`, or one of its own. `details` = JSON for the alert. `server` =
    "pagerduty://secret:NAME", or the name of a channel in [notify.channels]; without it the only PagerDuty there.

    Safe to run twice because PagerDuty groups events of one dedup key into one open alert. The ledger skips a repeated call, and an
    unknown outcome is repeated under the same dedup key.

    Example:
        pagerduty.trigger("the disk is full", once="disk:db1", within="1h")

    Raises:
        OptionError, UnknownNameError, ConfigError: an argument or the server cannot be used; nothing is sent.
        Permanent: PagerDuty refuses the event. Transient: a retry can help.
    """
    alerting = _Trigger(summary, severity, source, details, key, server, once, within)
    return alerting.call.perform(alerting.deliver)


async def trigger_async(
    summary: str,
    *,
    severity: PagerDutySeverity = "critical",
    source: str = "mainspring",
    details: Mapping[str, Any] | None = None,
    key: str | None = None,
    server: str | None = None,
    once: str | None = None,
    within: SpanInput | None = None,
) -> PagerDutyEvent:
    """Trigger an alert, as `trigger` does, in an event loop.

    Safe to run twice because of the same dedup key.
    """
    alerting = _Trigger(summary, severity, source, details, key, server, once, within)
    return await alerting.call.perform_async(alerting.deliver)


def acknowledge(event: PagerDutyEvent | str, *, server: str | None = None) -> PagerDutyEvent:
    """Acknowledge the open alert of an event, or of a key; without one nothing happens.

    Safe to run twice because an acknowledged alert stays acknowledged. The ledger is not used.

    Example:
        pagerduty.acknowledge("disk:db1")
    """
    account = find_account(_SERVICE, server)
    return repeat("pagerduty.acknowledge", lambda: _change(account, "acknowledge", event), account.errors)


async def acknowledge_async(event: PagerDutyEvent | str, *, server: str | None = None) -> PagerDutyEvent:
    """Acknowledge an alert, as `acknowledge` does, in an event loop.

    Safe to run twice because an acknowledged alert stays acknowledged.
    """
    account = find_account(_SERVICE, server)
    return await repeat_async("pagerduty.acknowledge", lambda: _change(account, "acknowledge", event), account.errors)


def resolve(event: PagerDutyEvent | str, *, server: str | None = None) -> PagerDutyEvent:
    """Resolve the open alert of an event, or of a key; without one nothing happens.

    Safe to run twice because a resolved alert stays resolved. The ledger is not used.

    Example:
        pagerduty.resolve("disk:db1")
    """
    account = find_account(_SERVICE, server)
    return repeat("pagerduty.resolve", lambda: _change(account, "resolve", event), account.errors)


async def resolve_async(event: PagerDutyEvent | str, *, server: str | None = None) -> PagerDutyEvent:
    """Resolve an alert, as `resolve` does, in an event loop.

    Safe to run twice because a resolved alert stays resolved.
    """
    account = find_account(_SERVICE, server)
    return await repeat_async("pagerduty.resolve", lambda: _change(account, "resolve", event), account.errors)


class _Trigger:
    """One event that triggers an alert: its payload, its account, its call on record."""

    def __init__(
        self,
        summary: str,
        severity: str,
        source: str,
        details: Mapping[str, Any] | None,
        key: str | None,
        server: str | None,
        once: str | None,
        within: SpanInput | None,
    ) -> None:
        if not isinstance(summary, str) or not 0 < len(summary) <= _LONGEST_SUMMARY:
            hint = 'Write summary="the disk is full", and put the rest into details=.'
            raise OptionError(f"pagerduty: the summary has not 1 to {_LONGEST_SUMMARY:,} characters", hint=hint)
        known = get_args(PagerDutySeverity)
        if severity not in known:
            raise OptionError(f"severity={severity!r} is not known to PagerDuty", hint=f"Write {' or '.join(known)}.")
        self._payload: dict[str, Any] = {"summary": summary, "severity": severity, "source": source}
        if details is not None:
            self._payload["custom_details"] = msgspec.json.decode(encode(details, value_name="details= of the event"))
        self._key = key or once
        self._account = find_account(_SERVICE, server)
        self._account.errors.get(self._account.address.secret)
        self.call: SentOnce[PagerDutyEvent] = SentOnce(
            "pagerduty.trigger",
            PagerDutyEvent,
            lambda: PagerDutyEvent(self._dedup_key),
            once=once,
            within=within,
            identity={"dedup_key": self._key},
            content=self._payload,
            is_keyed=True,
            errors=self._account.errors,
        )

    async def deliver(self) -> PagerDutyEvent:
        """Send the event."""
        event = {"client": "Mainspring", "payload": self._payload}
        return await _send(self._account, "trigger", self._dedup_key, event)

    @property
    def _dedup_key(self) -> str:
        return _fit_key(self._key or self.call.message_key)


async def _change(account: Account, event_action: str, event: PagerDutyEvent | str) -> PagerDutyEvent:
    key = event.dedup_key if isinstance(event, PagerDutyEvent) else event
    if not isinstance(key, str) or not key.strip():
        hint = 'Pass the result of pagerduty.trigger, or its key, such as "disk:db1".'
        raise OptionError(f"pagerduty.{event_action} has no key of an alert", hint=hint)
    return await _send(account, event_action, _fit_key(key), {})


async def _send(account: Account, event_action: str, key: str, event: dict[str, Any]) -> PagerDutyEvent:
    secret = account.address.secret
    event = {"routing_key": account.errors.get(secret), "event_action": event_action, "dedup_key": key, **event}
    try:
        async with account.open_http() as http:
            await enqueue_event(http, account.address.url, event, account.errors)
    except PagerDutyError as error:
        hint = None if error.is_final else f"Check the secret {secret!r}: it is an integration key of Events API v2."
        raise Permanent(f"{error.text}\nwith the secret {secret!r}", hint=hint) from None
    return PagerDutyEvent(key)


def _fit_key(key: str) -> str:
    """Return a dedup key that PagerDuty accepts; equal keys give equal ones."""
    return key if len(key) <= _LONGEST_KEY else hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()
