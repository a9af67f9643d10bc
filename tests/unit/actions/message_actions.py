"""Functions of a user that send messages: the contract runs each as a step, in processes of its own."""

from mainspring.actions import email, pagerduty, slack
from tests.unit.actions.message_servers import mail_ids


def find_mail(message_id):
    """Ask the mailbox."""
    return message_id in mail_ids()


def send_checked(number: int) -> email.SentEmail:
    """Its check asks the mailbox."""
    return email.send(
        "ann@example.com", f"Report {number}", text="All is done.", once=f"report:{number}", check=find_mail
    )


async def send_checked_async(number: int) -> email.SentEmail:
    """The same, async."""
    return await email.send_async(
        "ann@example.com", f"Report {number}", text="All is done.", once=f"report:{number}", check=find_mail
    )


def send_unchecked(number: int) -> email.SentEmail:
    """Neither a key nor a check."""
    return email.send("ann@example.com", f"Report {number}", text="All is done.")


def post_message(number: int) -> slack.SlackMessage:
    """A message with a key."""
    return slack.post("#ops", f"Report {number}", once=f"report:{number}")


async def reply_unnamed(number: int, thread: str) -> slack.SlackMessage:
    """A reply without a key, async."""
    return await slack.post_async("#ops", f"Report {number}", thread=thread)


def trigger_alert(number: int) -> pagerduty.PagerDutyEvent:
    """An alert with a key."""
    return pagerduty.trigger(f"Report {number}", once=f"report:{number}")


def acknowledge_alert(key: str) -> pagerduty.PagerDutyEvent:
    """An alert that is open."""
    return pagerduty.acknowledge(key)


def resolve_alert(key: str) -> pagerduty.PagerDutyEvent:
    """An alert that is open."""
    return pagerduty.resolve(key)


def update_message(number: int, ts: str) -> slack.SlackMessage:
    """A message of the bot."""
    return slack.update(slack.SlackMessage("C01OPS", ts), f"Report {number}")
