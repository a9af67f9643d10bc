"""Two projects on one machine, with nothing configured: each has pages of its own."""

import json
import re
import urllib.request

import pytest

from tests.acceptance.wrapping import Place
from tests.polling import polls

WITHIN_S = 90.0


@pytest.fixture
def places(tmp_path):
    """Two projects with only the store named."""
    made = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        place = Place(tmp_path / name)
        place.env["MAINSPRING_UP_ROLES"] = "web"
        made.append(place)
    yield made
    for place in made:
        place.close()


def _output(place):
    return (place.folder / "up.log").read_text(encoding="utf-8")


def test_default_ports_of_a_second_project_are_found_and_printed(places):
    """It says where its pages and webhooks are, `open` and the link of the start lead there, and both answer."""
    ports = []
    for place in places:
        with (place.folder / "up.log").open("wb") as log:
            place.start("up", stdout=log, stderr=log)
        for _ in polls(WITHIN_S):
            if "/first?token=" in _output(place) and "accepting webhooks on" in _output(place):
                break
        pages = re.search(r"listening on http://127\.0\.0\.1:(\d+)", _output(place))
        hooks = re.search(r"accepting webhooks on http://127\.0\.0\.1:(\d+)", _output(place))
        assert pages is not None, _output(place)
        assert hooks is not None, _output(place)
        ports += [int(pages[1]), int(hooks[1])]
        assert f"pages: http://127.0.0.1:{pages[1]}/first?token=" in _output(place)
        for port in ports[-2:]:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=10) as answer:
                assert answer.status == 200
        link = json.loads(place.call("open", "--json").stdout)["link"]
        assert link.startswith(f"http://127.0.0.1:{pages[1]}/first?token=")
    assert len(set(ports)) == 4
    assert f"the pages are at http://127.0.0.1:{ports[2]}" in _output(places[1])
