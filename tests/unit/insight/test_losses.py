"""Deaths of workers in sentences."""

import pytest

from mainspring.domain.worker_loss import Noticed, WorkerLoss
from mainspring.insight.losses import sentences


@pytest.mark.parametrize(
    ("deaths", "last"),
    [(4, "At least one more of its workers died before."), (5, "At least 2 more of its workers died before.")],
)
def test_deaths_that_are_not_shown_are_counted(deaths, last):
    """Three are shown; one more is one worker, not "1 of its workers or more"."""
    losses = [WorkerLoss("r_1", claim, 1, "worker", "box", 7, 0, 1, Noticed.CRASH) for claim in range(deaths)]
    assert sentences(losses, str)[3:] == [last]
