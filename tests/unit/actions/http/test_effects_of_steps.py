"""Requests without `once=` in the attempts of a step, and as parts of an outer effect: each is sent once, whatever the order is."""

import asyncio
import itertools
from datetime import timedelta

import pytest

import mainspring as ms
from mainspring.actions import http
from mainspring.domain.failures.saved_error import RunFailed
from tests.unit.actions.http import example_http_actions as example

NUMBERS = itertools.count(1)
RETRY = ms.Retry(attempts=3, initial=timedelta(0))


def run(fn, tmp_path, *args, **options):
    """Run a function as the only step of a workflow; return its result."""

    @ms.workflow(name=f"steps{next(NUMBERS)}")
    async def w(run: ms.Run):
        return await run.options(retry=RETRY, **options).step(fn, *args)

    return ms.App(tmp_path / "s.db").run(w)


def ordered(target):
    """The orders that the target has performed."""
    return [int(line) for line in target.record.read_text().split()]


def keys(target):
    """The idempotency keys that it has received, in their order."""
    return [headers.get("idempotency-key") for method, _, headers in target.requests if method == "POST"]


def test_orders_of_a_gather_get_their_own_replies(target, tmp_path):
    """The second attempt sends them in another order."""
    target.refusals = [2]
    orders = iter([[1, 2, 3], [3, 2, 1]])

    async def order(number):
        reply = await http.request_async("POST", f"{target.base}/orders", json={"number": number})
        return reply.json()["number"]

    async def order_all():
        numbers = next(orders)
        replies = await asyncio.gather(*map(order, numbers), return_exceptions=True)
        for reply in replies:
            if isinstance(reply, BaseException):
                raise reply
        return replies

    assert run(order_all, tmp_path) == [3, 2, 1]
    assert sorted(ordered(target)) == [1, 2, 3]


def test_orders_of_threads_in_a_child_process_get_their_own_replies(target, tmp_path):
    """The worker knows what the earlier child has sent."""
    target.refusals = [3]
    assert run(example.order_in_threads, tmp_path, target.base, isolate="process") == [4, 3, 2, 1]
    assert sorted(ordered(target)) == [1, 2, 3, 4]


def test_orders_that_are_left_to_do_are_never_mistaken(target, tmp_path):
    """A list that has fewer orders now would get the replies of other orders."""
    target.refusals = [2]
    left = [1, 2, 3]

    def order_left():
        for number in list(left):
            http.post(f"{target.base}/orders", json={"number": number}, wait="1ms")
            left.remove(number)

    with pytest.raises(RunFailed, match=r"action 'http.request' had other arguments in an earlier attempt"):
        run(order_left, tmp_path)
    assert ordered(target) == [1, 2]


def test_pages_that_are_forwarded_arrive_once(target, tmp_path):
    """The loop continues after the last page that it has forwarded."""
    target.refusals = [20]

    def forward():
        for page in http.paginate(f"{target.base}/pages", resume=True):
            http.post(f"{target.base}/orders", json={"number": page["items"][0]})
        return "end"

    assert run(forward, tmp_path) == "end"
    assert ordered(target) == [10, 20, 30]


def test_part_of_a_keyed_action_has_one_key(target, tmp_path):
    """The reply is lost: the target drops the duplicate of the second attempt by its key."""
    target.statuses = [503]

    @ms.action(once="order:{number}", keyed=True, retry=RETRY)
    def order(number: int) -> int:
        return http.post(f"{target.base}/orders?dedupes=1", json={"number": number}).json()["number"]

    assert run(order, tmp_path, 7) == 7
    assert ordered(target) == [7]
    first, second = keys(target)
    assert first == second
    assert first is not None
