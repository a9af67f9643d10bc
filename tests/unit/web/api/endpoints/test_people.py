"""Who may come in, by the API: programs with the role admin do what a person does at the pages."""

import msgspec
import pytest

from mainspring.domain.access.passwords import ScryptCost
from mainspring.domain.access.permissions import Role, SignInMethod
from mainspring.service.access.access_keys import hash_key
from mainspring.store.commands.people import OpenWebSession
from mainspring.store.read import people
from mainspring.web.api.api_asgi import ApiApp

PASSWORD = "correct horse battery"


@pytest.fixture
def world(world):
    """Passwords are cheap here."""
    world.site = msgspec.structs.replace(world.site, cost=ScryptCost(log_n=4))
    world.serve(ApiApp(world.authenticator, world.site))
    return world


@pytest.mark.asyncio
async def test_person_is_added_changed_and_removed(world):
    """Once by one key; no answer holds a password, what cannot be so changes nothing."""
    body = {"name": "eve", "role": "operator", "automations": ["pay*"], "password": PASSWORD}
    for _ in range(2):
        await world.post("/people", key="add-1", reason="new here", **body)
    listed = await world.ask("GET", "/people")
    assert [(person["name"], person["role"], person["automations"]) for person in listed.json()["items"]] == [
        ("eve", "operator", ["pay*"])
    ]
    assert "scrypt" not in listed.text
    assert "password" not in listed.text
    assert (await world.ask("POST", "/people", json=body)).status_code == 409
    assert (await world.ask("POST", "/people", json={**body, "name": "x", "password": "short"})).status_code == 422
    assert (await world.ask("POST", "/people", json={**body, "name": "x", "role": "king"})).status_code == 400
    await world.post("/people/eve/change", role="viewer")
    found = people.person(world.store.reader, "eve")
    assert (found.role, found.automations) == (Role.VIEWER, None)
    await world.post("/people/eve/set-password", password="another long one")
    assert people.person(world.store.reader, "eve").password != found.password
    await world.post("/people/eve/remove")
    assert (await world.get("/people"))["items"] == []
    assert (await world.ask("POST", "/people/eve/remove", json={})).status_code == 404
    operations = [row for row in world.site.reads.audit_rows() if row.subject == "person:eve"]
    assert {operation.actor for operation in operations} == {"api:ann"}
    assert not any(PASSWORD in str(operation) or "another long one" in str(operation) for operation in operations)


@pytest.mark.asyncio
async def test_token_is_reported_once(world):
    """In the answer that makes it; neither the list nor the same key again tells it."""
    made = await world.post("/tokens", key="t-1", name="deploy", role="operator", until="2100-01-01T00:00:00Z")
    assert people.token_of(world.store.reader, hash_key(made["token"])).name == "deploy"
    listed = await world.ask("GET", "/tokens")
    (person,) = listed.json()["items"]
    assert (person["name"], person["role"], person["until_at"]) == ("deploy", "operator", "2100-01-01T00:00:00.000Z")
    assert made["token"] not in listed.text
    assert hash_key(made["token"]) not in listed.text
    again = await world.ask(
        "POST",
        "/tokens",
        json={"name": "deploy", "role": "operator", "until": "2100-01-01T00:00:00Z"},
        headers={"Idempotency-Key": "t-1"},
    )
    assert (again.status_code, made["token"] in again.text) == (409, False)
    assert made["token"] not in str(world.site.reads.audit_rows())
    await world.post(f"/tokens/{person['id']}/revoke")
    assert (await world.get("/tokens"))["items"] == []
    assert (await world.ask("POST", f"/tokens/{person['id']}/revoke", json={})).status_code == 404


@pytest.mark.asyncio
async def test_sessions_are_listed_and_ended(world):
    """One, or all of a person; the cookie's hash is reported to no one."""
    await world.post("/people", name="eve", role="viewer", password=PASSWORD)
    proof = people.person(world.store.reader, "eve").password
    for n in range(3):
        world.store.apply(
            OpenWebSession(
                hash=f"hash-{n}",
                id=f"w_{n}",
                name="eve",
                source=SignInMethod.PASSWORD,
                until_at=world.clock.now() + 1_000_000,
                address="127.0.0.1",
                browser="<b>",
                proof=proof,
            )
        )
    listed = await world.ask("GET", "/sessions")
    assert {session["id"] for session in listed.json()["items"]} == {"w_0", "w_1", "w_2"}
    assert "hash-" not in listed.text
    await world.post("/sessions/w_0/end")
    assert (await world.post("/people/eve/end-sessions"))["number"] == 2
    assert (await world.get("/sessions"))["items"] == []
