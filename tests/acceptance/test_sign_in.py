"""`mainspring up`: the link that it prints opens the pages once, and what comes in by it can let a program in."""

import re
import urllib.request
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.acceptance.test_roles import Site

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]
LINK = re.compile(r"pages: (http://127\.0\.0\.1:\d+/first\?token=\S+)")


def test_link_of_up_opens_the_pages_once(tmp_path: Path) -> None:
    """A person is added with a browser's cookie; anyone who follows the link again stays outside; nothing of it is in the log's lines."""
    site = Site(tmp_path, str(tmp_path / "s.db"))
    try:
        site.up("--role", "web")
        link = site.until(lambda: LINK.search(site.logs()), "no link was printed")[1]
        browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
        assert browser.open(link, timeout=10).url == link.partition("/first")[0] + "/"
        page = browser.open(link.partition("/first")[0] + "/people", timeout=10).read().decode()
        hidden = dict(re.findall(r'name="(form|page)" value="([^"]+)"', page))
        fields = {"act": "make-token", "name": "bot", "role": "viewer", "automations": "", "days": "30", **hidden}
        request = urllib.request.Request(
            link.partition("/first")[0] + "/people", urlencode(fields).encode(), {"Sec-Fetch-Site": "same-origin"}
        )
        assert re.search(r"ms_[A-Za-z0-9_-]{43}", browser.open(request, timeout=10).read().decode())
        assert site.get(link.partition(str(site.port))[2])[0] == 404
        operations = [(entry["verb"], entry["actor"]) for entry in site.call("audit-log", "list")]
        assert {("make", "web:local"), ("sign in", "web:local")} <= set(operations)
    finally:
        site.close()
