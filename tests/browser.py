"""The web process's application on a real port in this process, and a real browser that looks at it."""

import os
import shutil
import threading
from contextlib import contextmanager

import pytest
from playwright.sync_api import sync_playwright

from mainspring.web.server.connection import ConnectionLimits
from mainspring.web.server.http_server import build_server, open_socket
from tests.free_port import free_port

CHROMIUM = shutil.which("chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextmanager
def served(app, port=None):
    """Serve an application on loopback; yield its address."""
    port = free_port() if port is None else port
    listener = open_socket(f"127.0.0.1:{port}", "web.bind")
    running = build_server(app, ConnectionLimits(100, 100))
    thread = threading.Thread(target=lambda: running.run(sockets=[listener]), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        running.should_exit = True
        thread.join(10)


@contextmanager
def chromium():
    """Start the system's Chromium; without one the test is skipped, and never in CI."""
    if CHROMIUM is None:
        if os.environ.get("CI"):
            pytest.fail("there is no chromium here, and CI installs it")
        pytest.skip("there is no chromium here: apt install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


def sign_in(page, address, name="ana", password="correct horse battery"):
    """Sign in as a person does."""
    page.goto(f"{address}/sign-in")
    page.fill("input[name=name]", name)
    page.fill("input[name=password]", password)
    page.click("main button")
    page.wait_for_url(f"{address}/")
