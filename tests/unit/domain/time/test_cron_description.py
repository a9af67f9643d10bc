"""The usual cron expressions in words."""

import pytest

from mainspring.domain.time.cron import expand_cron
from mainspring.domain.time.cron_description import describe_cron
from mainspring.domain.time.schedule import Schedule


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("* * * * *", "every minute"),
        ("*/5 * * * *", "every 5 minutes"),
        ("*/10 * * * * *", "every 10 seconds"),
        ("0 * * * *", "every hour"),
        ("15 * * * *", "every hour at :15"),
        ("30 */2 * * *", "every 2 hours at :30"),
        ("0 3 * * *", "every day at 03:00"),
        ("0 15,3 * * *", "every day at 03:00 and 15:00"),
        ("30 9 * * 1-5", "Monday to Friday at 09:30"),
        ("30 9 * * MON-FRI", "Monday to Friday at 09:30"),
        ("0 0 * * 0", "every Sunday at 00:00"),
        ("0 0 * * 7", "every Sunday at 00:00"),
        ("0 6 * * MON,THU", "every Monday and Thursday at 06:00"),
        ("0 0 1 * *", "on day 1 of every month at 00:00"),
        ("0 8 24 12 *", "on 24 December at 08:00"),
        ("*/15 9-17 * * 1-5", "every 15 minutes from 09:00 to 17:59, Monday to Friday"),
        ("*/30 6 * * *", "every 30 minutes from 06:00 to 06:59"),
        ("@hourly", "every hour"),
        ("@daily", "every day at 00:00"),
    ],
)
def test_usual_crons_read_as_plain_english(expression, words):
    """Each is also one that the schedule takes."""
    assert describe_cron(expand_cron(expression)) == words


@pytest.mark.parametrize(
    "expression",
    ["*/7 * * * *", "0 22-4 * * *", "0 0 L * *", "0 0 * * 6#2", "0 0 1-7 * 1", "5 4 1 */2 *", "1,2 * * * *"],
)
def test_unusual_crons_are_left_to_the_walker(expression):
    """A step that does not come out even is not "every 7 minutes"."""
    assert describe_cron(expression) is None


def test_schedule_reads_in_words_with_its_zone():
    """The words stand where people see a schedule."""
    assert Schedule(cron="*/5 * * * *", tz="Europe/Berlin").describe() == "every 5 minutes (Europe/Berlin)"
    assert Schedule(cron="*/7 * * * *", tz="UTC").describe().startswith("Every seventh minute")
