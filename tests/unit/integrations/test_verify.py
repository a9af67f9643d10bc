"""The functions of `ms.verify`: what the store holds of each, and which modules they import."""

import ast
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from mainspring.domain.triggers.webhooks.verifier_options import VerifierOptions
from mainspring.integrations import verify
from mainspring.integrations.verifiers import VERIFIERS, find_declaration, find_verifier

# As version 0.1.0 stored them, when each kind had a struct of its own.
STORED = {
    '{"type":"standard","secrets":["A","B"],"tolerance":"PT60S"}': lambda: verify.standard("A", "B", tolerance="1m"),
    '{"type":"github","secrets":["HOOK"]}': lambda: verify.github("HOOK"),
    '{"type":"stripe","secrets":["HOOK"],"tolerance":"PT300S"}': lambda: verify.stripe("HOOK"),
    '{"type":"slack","secrets":["HOOK"],"tolerance":"PT300S"}': lambda: verify.slack("HOOK"),
    '{"type":"gitlab","secrets":["HOOK"]}': lambda: verify.gitlab("HOOK"),
    '{"type":"bearer","secrets":["HOOK"],"header":"authorization"}': lambda: verify.bearer("HOOK"),
    '{"type":"bearer","secrets":["HOOK"],"header":"x-key"}': lambda: verify.bearer("HOOK", header="X-Key"),
    '{"type":"hmac","secrets":["HOOK"],"header":"x-sign","algorithm":"sha256","encoding":"hex","prefix":"","over":"{body}",'
    '"timestamp_header":null,"tolerance":"PT300S"}': lambda: verify.hmac("HOOK", header="x-sign"),
    '{"type":"hmac","secrets":["HOOK"],"header":"x-sign","algorithm":"sha512","encoding":"base64","prefix":"a=",'
    '"over":"{timestamp}.{body}","timestamp_header":"x-at","tolerance":"PT300S"}': lambda: verify.hmac(
        "HOOK", header="x-sign", algorithm="sha512", encoding="base64", prefix="a=", over="{timestamp}.{body}",
        timestamp_header="x-at",
    ),
    '{"type":"none","secrets":[]}': verify.none,
}  # fmt: skip


@pytest.mark.parametrize("text", STORED)
def test_options_are_stored_as_before(text):
    """Byte for byte, and what a store holds is read as the same options."""
    options = STORED[text]()
    assert msgspec.json.encode(options).decode() == text
    assert msgspec.json.decode(text, type=VerifierOptions) == options


def test_every_kind_is_pinned():
    """None of them can change its JSON unseen."""
    assert {msgspec.json.decode(text)["type"] for text in STORED} == set(VERIFIERS)


def test_checkers_read_the_names_of_the_table():
    """Each kind has its line; and the function of each is found under its name."""
    tree = ast.parse(Path(verify.__file__).read_text(encoding="utf-8"))
    imported = {
        alias.name: node.module
        for block in tree.body
        if isinstance(block, ast.If)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert imported == {kind: f"mainspring.integrations.{module}" for kind, module in VERIFIERS.items()}
    for kind in VERIFIERS:
        assert getattr(verify, kind) is find_declaration(kind)
        assert find_verifier(kind) is find_verifier(kind)
    assert set(VERIFIERS) <= set(dir(verify))
    with pytest.raises(AttributeError, match=r"mainspring\.verify.*'githubb'"):
        _ = verify.githubb


def test_declaration_imports_the_file_of_its_sender_only():
    """No event loop, no client of HTTP and no other sender: a process that loads a webhook pays for one file."""
    code = "import sys, mainspring as ms; ms.verify.github('HOOK'); print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    senders = {f"mainspring.integrations.{module}" for module in VERIFIERS.values()}
    assert senders & set(modules) == {"mainspring.integrations.github"}
    assert not {"asyncio", "http.client", "ssl", "socket"} & set(modules)
