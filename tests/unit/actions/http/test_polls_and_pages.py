"""Polls, pages and resources."""

import asyncio
import itertools
import re
from datetime import timedelta

import pytest

import mainspring as ms
from mainspring.actions import http
from mainspring.actions.http import resources
from mainspring.app.project import Project
from mainspring.domain.errors import OptionError

NUMBERS = itertools.count(1)
TOKEN = "tok_0b7d2e9c41f8a365"


def run(fn, tmp_path):
    """Run a function as the only step of a workflow; return its result."""

    @ms.workflow(name=f"polls{next(NUMBERS)}")
    async def w(run: ms.Run):
        return await run.options(retry=ms.Retry(attempts=3, initial=timedelta(0))).step(fn)

    return ms.App(tmp_path / "s.db").run(w)


# -- poll --------------------------------------------------------------------------------------------------------------


def test_poll_returns_the_reply_that_meets_the_condition(target, tmp_path):
    """An overloaded target counts as not yet; a step reports progress."""

    def wait():
        url = f"{target.base}/job"
        return http.poll(url, until=lambda reply: reply.json()["state"] == "done", every="10ms", within="1m")

    assert run(wait, tmp_path)["status"] == 200
    assert target.job_polls == 3


def test_poll_ends_with_its_time(target):
    """The error has the last result."""
    with pytest.raises(http.HttpPollError, match="within 50ms; the last result: 200") as failed:
        http.poll(f"{target.base}/echo", until=lambda _: False, every="20ms", within="50ms")
    assert "within=" in failed.value.hint


def test_poll_waits_for_the_retry_after_of_the_target(target):
    """Retry-After is longer than all of the time: no second request."""
    with pytest.raises(http.HttpPollError, match="429"):
        http.poll(f"{target.base}/status/429?after=60", until=bool, every="1ms", within="1s")
    assert len(target.requests) == 1


def test_poll_fails_at_once_with_a_permanent_failure(target):
    """404 does not pass by itself, unless the caller expects it."""
    with pytest.raises(http.HttpStatusError, match="404"):
        http.poll(f"{target.base}/orders/1", until=bool, every="1ms")
    assert len(target.requests) == 1
    with pytest.raises(OptionError, match="greater than zero"):
        http.poll(f"{target.base}/orders/1", until=bool, every="0s")


# -- paginate ----------------------------------------------------------------------------------------------------------


def next_of(reply):
    return reply.json()["next"]


@pytest.mark.parametrize("next", [None, next_of], ids=["link", "body"])
def test_pages_are_read_in_their_order(target, next):
    """By the Link header, or by a function."""
    pages = http.paginate(f"{target.base}/pages", next=next, items=lambda reply: reply.json()["items"])
    assert list(pages) == [[10, 11], [20, 21], [30, 31]]


def test_pages_are_read_in_an_event_loop(target):
    """The async form."""

    async def read():
        return [page["items"][0] async for page in http.paginate_async(f"{target.base}/pages")]

    assert asyncio.run(read()) == [10, 20, 30]


def test_list_that_a_step_collects_has_all_pages_after_a_retry(target, tmp_path):
    """Without `resume=True` each attempt reads all pages."""
    lists = []

    def read():
        lists.append([])
        for page in http.paginate(f"{target.base}/pages"):
            lists[-1].append(page["items"][0])
            if len(lists) == 1 and len(lists[0]) == 2:
                raise ms.Transient("in the middle of page 2")

    run(read, tmp_path)
    assert lists == [[10, 20], [10, 20, 30]]


def test_next_attempt_continues_with_the_page_that_failed(target, tmp_path):
    """Pages that were processed are not read again."""
    processed = []

    def read():
        for page in http.paginate(f"{target.base}/pages", resume=True):
            processed.append(page["items"][0])
            if processed == [10, 20]:
                raise ms.Transient("in the middle of page 2")

    run(read, tmp_path)
    assert processed == [10, 20, 20, 30]
    assert [path for _, path, _ in target.requests] == [
        "/pages",
        "/pages?page=2",
        "/pages?page=2",
        "/pages?page=3",
    ]


def test_pages_that_were_all_processed_are_not_read_again(target, tmp_path):
    """The step fails after the last page."""
    processed = []

    def read():
        processed.extend(page["items"][0] for page in http.paginate(f"{target.base}/pages", resume=True))
        if len(processed) == 3 and len(failures) < 1:
            failures.append(1)
            raise ms.Transient("after the last page")

    failures = []
    run(read, tmp_path)
    assert processed == [10, 20, 30]


def test_each_loop_of_a_step_reads_all_of_its_pages(target, tmp_path):
    """The second does not continue where the first has ended, although both have one address."""

    def read():
        for state in ("open", "closed"):
            pages = http.paginate(f"{target.base}/pages", params={"state": state}, resume=True)
            processed.extend((state, page["items"][0]) for page in pages)
            if state == "closed" and len(processed) == 6:
                raise ms.Transient("after the last page of the second")

    processed = []
    run(read, tmp_path)
    assert set(processed) == {(state, number) for state in ("open", "closed") for number in (10, 20, 30)}


def test_checkpoint_has_no_secret(target, tmp_path, monkeypatch):
    """The address of the next page repeats the token, and the store has its name."""
    monkeypatch.setenv("MAINSPRING_SECRET_API", TOKEN)
    monkeypatch.setattr(Project, "_newest", None)

    def next(reply):
        return f"{reply.url}&page=2" if "page" not in reply.url else None

    def read():
        url = f"{target.base}/echo?token={{secret:API}}"
        pages = http.paginate(url, next=next, resume=True)
        assert len(list(pages)) == 2

    run(read, tmp_path)
    assert [path.count(TOKEN) for _, path, _ in target.requests] == [1, 1]
    found = [file.name for file in tmp_path.iterdir() if file.is_file() and TOKEN.encode() in file.read_bytes()]
    assert found == []


def test_next_address_of_the_target_reads_no_other_secret(target, monkeypatch):
    """The target writes that address, so it could request any secret by its name. It gets those that the call has sent."""
    monkeypatch.setenv("MAINSPRING_SECRET_API", TOKEN)
    monkeypatch.setenv("MAINSPRING_SECRET_OTHER", "other_3fa96c0d")
    next_url = "/pages?page=2&known={secret:API}&wanted={secret:OTHER}"
    pages = http.paginate(f"{target.base}/pages", next=lambda _: next_url, bearer="secret:API")
    assert [next(pages)["items"], next(pages)["items"]] == [[10, 11], [20, 21]]
    assert target.requests[-1][1] == f"/pages?page=2&known={TOKEN}&wanted=%7Bsecret%3AOTHER%7D"


def test_next_page_on_another_host_is_refused(target):
    """It would get the secrets."""
    pages = http.paginate(f"{target.base}/pages", next=lambda _: "http://127.0.0.1:1/pages")
    assert next(pages)["items"] == [10, 11]
    with pytest.raises(http.HttpAddressError, match="on another host"):
        next(pages)


@pytest.mark.parametrize("address", ["http://[", "http://[::1", "http://[::1]]/", "http://ann:pw@[?token=x"])
def test_address_of_a_response_that_is_none_is_refused(target, address):
    """The error names it, without user and query: of the next page, and of a redirect."""
    visible = address.partition("?")[0].replace("ann:pw@", "")
    # Python 3.11 splits one of them, so its host is refused.
    message = re.escape(f"names {visible!r}") + r"|\[::1\]\] is not an address"
    with pytest.raises(http.HttpAddressError, match=message):
        list(http.paginate(f"{target.base}/pages", next=lambda reply: address))
    with pytest.raises(http.HttpAddressError, match=message) as refused:
        http.get(f"{target.base}/redirect/1", params={"to": address})
    assert "token" not in str(refused.value)


def test_page_that_names_itself_is_refused(target):
    """It would be read for ever."""
    with pytest.raises(http.HttpBodyError, match="names itself"):
        next(http.paginate(f"{target.base}/pages", next=lambda reply: reply.url))


# -- ensure ------------------------------------------------------------------------------------------------------------


def ensure(target, number, **options):
    return http.ensure(
        get=f"{target.base}/orders/{number}", create=("POST", f"{target.base}/orders", {"number": number}), **options
    )


def test_ensure_creates_what_is_not_there(target, tmp_path):
    """The second call finds it; after it was deleted, it is created again."""
    assert run(lambda: ensure(target, 4).status, tmp_path) == 201
    assert run(lambda: ensure(target, 4).status, tmp_path) == 200
    assert target.record.read_text() == "4\n"
    target.orders.clear()
    assert run(lambda: ensure(target, 4).status, tmp_path) == 201
    assert target.record.read_text() == "4\n4\n"


def test_ensure_calls_the_function_that_decides(target, tmp_path):
    """A list answers 200 although it is empty."""
    target.orders[6] = 1
    assert run(lambda: ensure(target, 6, found=lambda reply: False).status, tmp_path) == 201


def test_ensure_of_one_address_creates_each_resource(target, tmp_path, monkeypatch):
    """Only the body and `found` say which one is meant. The window of the first is not over when the second is created."""
    monkeypatch.setattr(resources, "_WINDOW", timedelta(minutes=1))

    def create(number):
        return http.ensure(
            get=f"{target.base}/list",
            create=("POST", f"{target.base}/orders", {"number": number}),
            found=lambda reply: number in reply.json(),
        ).json()

    assert [run(lambda number=number: create(number), tmp_path) for number in (1, 2)] == [{"number": 1}, {"number": 2}]
    assert sorted(target.orders) == [1, 2]


def test_ensure_finds_what_another_has_created_at_once(target, tmp_path):
    """409 to the creation: GET decides."""

    def create():
        create = ("POST", f"{target.base}/orders?status=409", {"number": 3})
        return http.ensure(get=f"{target.base}/orders/3", create=create).status

    assert run(create, tmp_path) == 200


def test_ensure_fails_if_get_fails(target):
    """An unknown answer is not an absence."""
    with pytest.raises(http.HttpStatusError, match="500"):
        http.ensure(get=f"{target.base}/status/500", create=("POST", f"{target.base}/orders", {"number": 1}))
    with pytest.raises(OptionError, match="create="):
        http.ensure(get=target.base, create="POST")
    assert not target.record.exists()


def test_ensure_of_an_event_loop_settles_a_lost_creation(target, tmp_path):
    """The creation loses its connection; the retry asks GET."""

    async def create():
        create = ("POST", f"{target.base}/orders?lost=1", {"number": 2})
        return (await http.ensure_async(get=f"{target.base}/orders/2", create=create)).status

    assert run(create, tmp_path) == 200
    assert target.record.read_text() == "2\n"
