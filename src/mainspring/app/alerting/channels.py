"""Channels of `[notify]`: the routing that selects the recipients, and the links that send to them."""

from datetime import timedelta
from urllib.parse import quote

from mainspring.alerting.notices import NO_ANSWERS, QuestionAnswers
from mainspring.config.settings import Settings
from mainspring.domain.access.answer_button import MAX_TOKEN_LENGTH, AnswerButton
from mainspring.domain.access.incident_link import (
    LINK_LIFETIME_S,
    LINK_SECRET_NAME,
    MIN_LINK_KEY_LENGTH,
    IncidentLinkToken,
)
from mainspring.domain.clock import Clock
from mainspring.domain.errors import ConfigError
from mainspring.domain.incidents.incident import ANSWER_FACT, Incident
from mainspring.domain.notifications.channel_name import TERMINAL
from mainspring.domain.notifications.notification import NotificationButton
from mainspring.domain.notifications.rendering import NotificationContext
from mainspring.domain.notifications.routing import NotificationRouting
from mainspring.domain.time.cron import find_zone
from mainspring.integrations.base.notifier import ChannelLink
from mainspring.integrations.notifiers import open_link, read_channel_address
from mainspring.integrations.slack_api import SLACK_SIGNING_SECRET_NAME
from mainspring.resources.error_text import ErrorText
from mainspring.resources.secret_store import SecretStore

_MILLISECOND = timedelta(milliseconds=1)
_MAX_CLOCK_SKEW_S = 600
"""One machine creates a link and another opens it, whose clock may be behind: a link that seems to live too long is rejected."""


def make_routing(settings: Settings) -> NotificationRouting:
    """Return who is notified of what, and when."""
    notify = settings.notify
    return NotificationRouting(
        channels=tuple(notify.channels),
        routes=notify.route,
        maintenance=notify.maintenance,
        zone=find_zone(settings.project.timezone),
        digest=notify.digest,
        group_wait_ms=notify.group_wait // _MILLISECOND,
        repeat_ms=notify.repeat // _MILLISECOND,
        escalate_after_ms=notify.escalate_after // _MILLISECOND,
    )


def channel_addresses(settings: Settings) -> dict[str, str]:
    """Return the addresses of all channels by name; the terminal is always one of them."""
    return {**settings.notify.channels, TERMINAL: settings.notify.channels.get(TERMINAL, TERMINAL)}


def open_links(settings: Settings, faults: ErrorText, clock: Clock) -> dict[str, ChannelLink]:
    """Return the link of each channel, by name. No secret is read yet."""
    return {
        name: open_link(read_channel_address(text), faults, clock) for name, text in channel_addresses(settings).items()
    }


def sign_incident_link(settings: Settings, secrets: SecretStore, clock: Clock, incident: Incident) -> str | None:
    """Return the signed link to an incident; None if no address is public or no key is set. The key is read each time."""
    if settings.web.public_url is None:
        return None
    try:
        keys = [key for key in secrets.lines(LINK_SECRET_NAME) if len(key) >= MIN_LINK_KEY_LENGTH]
    except ConfigError:
        return None
    token = IncidentLinkToken(incident.id, incident.opened, clock.now() // 1000 + LINK_LIFETIME_S - _MAX_CLOCK_SKEW_S)
    return f"{settings.web.public_url}/i/{token.token(keys[0])}" if keys else None


def offer_answers(settings: Settings, secrets: SecretStore, clock: Clock, incident: Incident) -> QuestionAnswers:
    """Return how the question of an incident can be answered from a message.

    The buttons are signed, and there are none unless Slack can report a press: a public address, and both secrets.
    """
    answer = incident.facts.get(ANSWER_FACT)
    if settings.web.public_url is None or not isinstance(answer, dict):
        return NO_ANSWERS
    run = str(incident.facts.get("run"))
    form = None
    if answer["has_form"]:
        form = f"{settings.web.public_url}/waiting/{quote(run, safe='')}/{quote(answer['ident'], safe='')}"
    try:
        keys = [key for key in secrets.lines(LINK_SECRET_NAME) if len(key) >= MIN_LINK_KEY_LENGTH]
        is_interactive = bool(secrets.lines(SLACK_SIGNING_SECRET_NAME))
    except ConfigError:
        return QuestionAnswers(form=form)
    if not keys or not is_interactive:
        return QuestionAnswers(form=form)
    until_s = clock.now() // 1000 + LINK_LIFETIME_S - _MAX_CLOCK_SKEW_S
    buttons = [
        NotificationButton(
            choice, AnswerButton(run, answer["ident"], answer["opened_at"], choice, until_s).token(keys[0])
        )
        for choice in answer["choices"]
    ]
    if form is not None:
        buttons.append(NotificationButton("Fill in the form", url=form))
    return QuestionAnswers(tuple(button for button in buttons if len(button.value) <= MAX_TOKEN_LENGTH), form)


def notice_context(settings: Settings) -> NotificationContext:
    """Return what all notices of this installation have in common."""
    project = settings.project
    return NotificationContext(zone=find_zone(project.timezone), project=project.name, environment=project.environment)
