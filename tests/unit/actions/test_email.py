"""`email.send` before real mail servers: what arrives, what a failure proves, and what bad input says."""

import asyncio
import os
import smtplib
import socket
import subprocess
import sys
import time
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

import mainspring as ms
from mainspring.actions import email
from mainspring.actions.base.mail_message import MailMessage
from mainspring.actions.base.mailbox import Mailbox
from mainspring.app.project import Project
from mainspring.domain.errors import (
    ConfigError,
    DefinitionError,
    NotSent,
    OptionError,
    OutsideStepError,
    Permanent,
    Transient,
    UnknownNameError,
)
from mainspring.domain.ids import make_id
from mainspring.domain.states import EffectState
from mainspring.integrations import mail_connection
from mainspring.integrations.base.channel_address import ChannelAddress
from mainspring.integrations.mail_connection import SmtpConversation, _SmtpServer
from mainspring.store.read.effects import EffectFilter, list_effects
from mainspring.store.sqlite.reader import SqliteReader
from tests.new_stores import create_store
from tests.secret_encodings import leaks
from tests.unit.actions.message_servers import make_certificate, serving_cut, serving_endless, serving_mail

pytestmark = [
    pytest.mark.filterwarnings("ignore:Session.login_data is deprecated"),
    pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS"),
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),  # aiosmtpd's, after STARTTLS
    pytest.mark.filterwarnings("ignore:Exception ignored in. <socket"),
]


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    """A project without configuration; the returned function writes one."""
    file = tmp_path / "mainspring.toml"
    file.write_text("")
    monkeypatch.setenv("MAINSPRING_CONFIG", str(file))

    def configure(**channels):
        rows = "".join(f'{name} = "{address}"\n' for name, address in channels.items())
        file.write_text(f"[notify.channels]\n{rows}")
        monkeypatch.setattr(Project, "_newest", None)

    return configure


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """The context of a server for localhost, and the certificate that signs it."""
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def box():
    with serving_mail() as server:
        yield server


def send_to(server, to="ann@example.com", subject="Report", **options):
    return email.send(to, subject, server=server, **({"text": "All is done."} | options))


def find_nothing(message_id):
    """The mailbox has no mail."""


# -- what arrives ------------------------------------------------------------------------------------------------------


def test_mail_arrives_with_all_its_parts(box, tmp_path):
    """Text, HTML, attachments of both kinds, copies; the hidden copy is in no header."""
    file = tmp_path / "zahlen-\u00fc.csv"
    file.write_bytes(b"a,b\n1,2\n")
    result = send_to(
        box.address,
        ["Ann \u00c5 <ann@example.com>", "bob@example.com"],
        "\u00dcbersicht \u2603",
        text="Gr\u00fc\u00dfe\n.\nEnde",
        html="<p>Gr\u00fc\u00dfe</p>",
        sender="Billing, Inc. <billing@example.com>",
        cc="carl@example.com",
        bcc="dora@example.com",
        reply_to="desk@example.com",
        attachments=[file, ("more.txt", b"x" * 3_000)],
    )
    ((recipients, mail),) = box.mails
    assert recipients == ["ann@example.com", "bob@example.com", "carl@example.com", "dora@example.com"]
    assert result == email.SentEmail(mail["Message-ID"], tuple(recipients), {})
    assert mail["Subject"] == "\u00dcbersicht \u2603"
    assert mail["From"].addresses[0].display_name == "Billing, Inc."
    assert [address.display_name for address in mail["To"].addresses] == ["Ann \u00c5", ""]
    assert mail["Reply-To"] == "desk@example.com"
    assert "dora" not in box.raw.decode("ascii").partition("\r\n\r\n")[0]
    assert mail.get_body(("plain",)).get_content() == "Gr\u00fc\u00dfe\n.\nEnde\n"
    assert mail.get_body(("html",)).get_content() == "<p>Gr\u00fc\u00dfe</p>\n"
    names = [(part.get_filename(), part.get_content()) for part in mail.iter_attachments()]
    assert names == [("zahlen-\u00fc.csv", "a,b\n1,2\n"), ("more.txt", "x" * 3_000)]


def test_send_is_a_step(box, tmp_path):
    """`run.step` takes the function itself, with all arguments that are data; its result is data too."""

    @ms.workflow(name="mail-as-a-step")
    async def mail_as_step(run: ms.Run) -> email.SentEmail:
        options = {
            "text": "x",
            "server": box.address,
            "attachments": [("a.bin", b"\x00\xff")],
            "cc": ["bob@example.com"],
        }
        return await run.step(email.send, "ann@example.com", "Report", **options)

    result = ms.App(str(tmp_path / "a.db")).run(mail_as_step)
    ((_, mail),) = box.mails
    assert result == email.SentEmail(mail["Message-ID"], ("ann@example.com", "bob@example.com"), {})
    assert [part.get_content() for part in mail.iter_attachments()] == [b"\x00\xff"]


def test_message_has_only_ascii_lines_of_usual_length(box):
    """Any server can pass it on: no 8-bit character and no line longer than 998."""
    send_to(box.address, text="\u00fc" * 5_000 + "\nx" * 10, html="<p>" + "y" * 5_000)
    assert box.raw.isascii()
    assert max(map(len, box.raw.splitlines())) <= 998


@pytest.mark.parametrize(
    ("to", "address"),
    [
        ("ann@b\u00fccher.example", "ann@xn--bcher-kva.example"),
        ("Ann <ANN+tag@EXAMPLE.com>", "ANN+tag@example.com"),
        ('"Doe, Ann" <o\'neil@example.com>', "o'neil@example.com"),
        ("\u00e4nn@example.com", "\u00e4nn@example.com"),
    ],
)
def test_address_of_any_letters_arrives(box, to, address):
    """A domain is sent in its ASCII form; other letters before the @ need a server that accepts them."""
    assert send_to(box.address, to).accepted == (address,)
    assert box.mails[0][0] == [address]
    assert address.encode() in box.raw


def test_other_letters_before_the_at_need_a_server_that_accepts_them():
    """The error says so, and nothing is sent."""
    with serving_mail(enable_SMTPUTF8=False) as box:
        with pytest.raises(Permanent, match=r"ASCII addresses only \(no SMTPUTF8\)"):
            send_to(box.address, "\u00e4nn@example.com")
        assert box.mails == []


def test_repeated_mail_has_the_same_id_and_date(box, tmp_path):
    """Two attempts of one effect: the recipient's program can see that it is one mail."""

    @ms.workflow(name="mail-lost")
    async def lost(run: ms.Run) -> None:
        await run.options(retry=1).step(lose_mail, box.port)

    @ms.workflow(name="mail-repeated")
    async def repeated(run: ms.Run) -> email.SentEmail:
        return await run.step(repeat_mail, box.address)

    started_at = time.time()
    app = ms.App(str(tmp_path / "a.db"))
    with pytest.raises(ms.RunFailed, match="may have been sent"):
        app.run(lost)
    result = app.run(repeated)
    first, second = [mail for _, mail in box.mails]
    assert first["Message-ID"] == second["Message-ID"] == result.message_id
    assert first["Date"] == second["Date"]
    assert abs(parsedate_to_datetime(first["Date"]).timestamp() - started_at) < 60


def test_part_that_was_sent_is_not_sent_again(box, tmp_path):
    """The second of two mails of an action is refused at first: the first one stays one mail, with its id."""
    box.refused["bob@example.com"] = "450 later"

    @ms.action(once="welcome:{number}", retry=ms.Retry(attempts=2, initial="1ms"))
    def welcome(number: int) -> list[str]:
        first = send_to(box.address)
        try:
            return [first.message_id, send_to(box.address, "bob@example.com").message_id]
        finally:
            box.refused.clear()

    @ms.workflow(name="mail-parts")
    async def greet(run: ms.Run) -> list[str]:
        return await run.step(welcome, 7)

    ids = ms.App(str(tmp_path / "a.db")).run(greet)
    assert [(to, mail["Message-ID"]) for to, mail in box.mails] == [
        (["ann@example.com"], ids[0]),
        (["bob@example.com"], ids[1]),
    ]


def test_mails_of_one_subject_are_known_by_their_texts(box, tmp_path):
    """A retry that sends them in another order gets the result of each."""
    box.refused["cid@example.com"] = "450 later"
    texts = iter([["a", "b"], ["b", "a"]])

    def send_all() -> list[str]:
        ids = [send_to(box.address, text=text).message_id for text in next(texts)]
        refused = bool(box.refused)
        try:
            send_to(box.address, "cid@example.com")
        finally:
            box.refused.clear()
        assert not refused
        return ids

    @ms.workflow(name="mail-order")
    async def send(run: ms.Run) -> list[str]:
        return await run.options(retry=ms.Retry(attempts=2, initial="1ms")).step(send_all)

    ids = ms.App(str(tmp_path / "a.db")).run(send)
    assert [mail["Message-ID"] for _, mail in box.mails[:2]] == ids[::-1]
    assert len(box.mails) == 3


def test_date_of_a_mail_is_that_of_its_key():
    """However late it is built again."""
    sender = Mailbox("", "ms@example.com")
    texts: dict[str, Any] = {"subject": "a", "text": "b", "html": None}
    message = MailMessage(
        sender=sender, to=(sender,), cc=(), bcc=(), reply_to=(), attachments=(), max_attachments=0, **texts
    )
    mail = message.build(make_id("e", 1_700_000_000_000, 0))
    assert mail["Date"] == "Tue, 14 Nov 2023 22:13:20 +0000"


def test_mail_is_not_ended_after_its_caller_has_gone():
    """So a timeout that comes first proves that it was not sent, and one that comes later does not."""
    address = ChannelAddress(scheme="smtp", host="127.0.0.1", port=1, sender="ms@example.com")
    early, late = SmtpConversation(address, None, 1.0), SmtpConversation(address, None, 1.0)
    early.hang_up()
    with pytest.raises(TimeoutError):
        early.allow_end()
    late.allow_end()
    late.hang_up()
    assert (early.is_unknown, late.is_unknown) == (False, True)


def lose_unchecked_mail(port):
    """Lose the answer to a mail that no mailbox can be searched for."""
    lose_mail(port, "secret:MAIL@", None)


def repeat_mail(server: str) -> email.SentEmail:
    """Send the mail, since the mailbox does not have it."""
    return send_to(server, once="report", check=find_nothing)


def lose_mail(port, login="", check=find_nothing):
    """Send the mail, then lose the answer."""
    data = _SmtpServer.data

    def send_and_lose(self, msg):
        data(self, msg)
        raise smtplib.SMTPServerDisconnected("lost")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_SmtpServer, "data", send_and_lose)
        send_to(f"smtp://{login}127.0.0.1:{port}?from=ms@example.com", once="report", check=check)


def test_step_in_a_child_process_reads_secrets_from_files(tmp_path, project):
    """Its environment has none. The mail is on record as that of any other step."""
    (tmp_path / "secrets").mkdir(mode=0o700)
    secret = tmp_path / "secrets" / "MAIL"
    secret.touch(mode=0o600)
    secret.write_text("robot:right-password")
    with serving_mail(password="right-password") as box:
        address = f"smtp://secret:MAIL@127.0.0.1:{box.port}/ops@example.com?from=ms@example.com"
        (tmp_path / "mainspring.toml").write_text(
            f'[secrets]\ndir = "{tmp_path}/secrets"\n[notify.channels]\nmail = "{address}"\n'
        )

        @ms.workflow(name="mail-of-a-child")
        async def mail_of_a_child(run: ms.Run) -> list[str]:
            step = run.options(timeout="1m")
            options: dict[str, Any] = {"text": "x", "once": "report"}
            mails = [await step.step(email.send, "ann@example.com", "Report", **options) for _ in range(2)]
            return [mail.message_id for mail in mails]

        first, second = ms.App(str(tmp_path / "a.db")).run(mail_of_a_child)
    assert first == second
    assert box.subjects() == ["Report"]


def test_program_that_runs_twice_sends_one_mail(box, tmp_path):
    """A script without a workflow, on the store of the project."""
    program = tmp_path / "program.py"
    program.write_text(
        "from mainspring.actions import email\n"
        f"options = {{'text': 'x', 'server': {box.address!r}, 'once': 'report'}}\n"
        "print(email.send('ann@example.com', 'Report', **options).message_id)\n"
    )
    (tmp_path / "mainspring.toml").write_text(f'[store]\nurl = "{tmp_path}/a.db"\n')
    create_store(tmp_path / "a.db")
    ids = [subprocess.run([sys.executable, program], check=True, capture_output=True).stdout for _ in range(2)]
    assert ids[0] == ids[1] == f"{box.mails[0][1]['Message-ID']}\n".encode()
    assert box.subjects() == ["Report"]


# -- servers -----------------------------------------------------------------------------------------------------------


def test_only_mail_server_of_the_configuration_is_the_default(box, project):
    """Its recipient is that of the channel, and not of this mail; its sender counts."""
    project(mail=f"smtp://127.0.0.1:{box.port}/ops@example.com?from=ms@example.com", hook="terminal")
    send_to(None)
    send_to("mail", sender="other@example.com")
    assert [(to, mail["From"]) for to, mail in box.mails] == [
        (["ann@example.com"], "ms@example.com"),
        (["ann@example.com"], "other@example.com"),
    ]


def test_channels_of_one_server_are_one_account(box, project):
    """They differ in their recipients only."""
    project(**{to: f"smtp://127.0.0.1:{box.port}/{to}@example.com?from=ms@example.com" for to in ("ops", "dev")})
    send_to(None)
    assert box.subjects() == ["Report"]


def test_missing_server_is_named_with_the_fix(project):
    """None, several, one of another kind, an unknown name, an address with a secret in it."""
    with pytest.raises(ConfigError, match=r"no server is configured\nin .*mainspring.toml, \[notify.channels\]\nPass"):
        send_to(None)
    with pytest.raises(OptionError, match="server= is int, not text"):
        send_to(25)
    with pytest.raises(OptionError, match="server= is no address of mail"):
        send_to("slack://secret:BOT")
    project(a="smtp://127.0.0.1/a@example.com", b="smtp://127.0.0.2/a@example.com", c="slack://secret:X/#ops")
    with pytest.raises(ConfigError, match=r"several accounts are configured \(a, b\)(?s:.*)server='a'"):
        send_to(None)
    with pytest.raises(UnknownNameError, match="channel of mail"):
        send_to("c")
    with pytest.raises(OptionError, match="no sender"):
        send_to("b")
    with pytest.raises(OptionError, match="must not contain a secret") as caught:
        send_to("smtps://robot:canary-9@mail.example.com")
    assert "canary-9" not in str(caught.value)
    with pytest.raises(OptionError, match="unencrypted"):
        send_to("smtp://secret:MAIL@mail.example.com")


def test_starttls_server_gets_the_mail(certificate, monkeypatch):
    """The sign-in and the mail are encrypted; the certificate is checked against its host."""
    context, authority = certificate
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    monkeypatch.setenv("MAINSPRING_SECRET_MAIL", "robot:right-password")
    with serving_mail(password="right-password", tls=context) as box:
        send_to(f"starttls://secret:MAIL@localhost:{box.port}?from=ms@example.com")
        assert box.subjects() == ["Report"]
        with pytest.raises(Permanent, match="certificate"):
            send_to(f"starttls://secret:MAIL@127.0.0.1:{box.port}?from=ms@example.com")
    with serving_mail(tls=context, is_tls_from_start=True) as box:
        send_to(f"smtps://localhost:{box.port}?from=ms@example.com")
        assert box.subjects() == ["Report"]


def test_unknown_certificate_gets_nothing(certificate, monkeypatch):
    """The error says what to check, and nothing was sent."""
    monkeypatch.setenv("MAINSPRING_SECRET_MAIL", "robot:right-password")
    with serving_mail(password="right-password", tls=certificate[0]) as box:
        address = f"starttls://secret:MAIL@localhost:{box.port}?from=ms@example.com"
        with pytest.raises(
            Permanent, match=r"CERTIFICATE_VERIFY_FAILED(?s:.*)at starttls://localhost:\d+\n.*SSL_CERT_FILE"
        ):
            send_to(address)
        assert box.mails == []


def test_server_without_starttls_gets_nothing(box, monkeypatch):
    """The password is not sent in the clear."""
    monkeypatch.setenv("MAINSPRING_SECRET_MAIL", "robot:right-password")
    with pytest.raises(Permanent, match=r"STARTTLS extension not supported(?s:.*)check its scheme"):
        send_to(f"starttls://secret:MAIL@127.0.0.1:{box.port}?from=ms@example.com")
    assert box.mails == []


def test_refused_sign_in_names_the_secret_and_does_not_contain_it(monkeypatch):
    """The name of the secret is the fix."""
    monkeypatch.setenv("MAINSPRING_SECRET_MAIL", "robot:canary-5f1e")
    with serving_mail(password="right-password") as box:
        address = f"smtp://secret:MAIL@127.0.0.1:{box.port}?from=ms@example.com"
        with pytest.raises(Permanent, match=r"535(?s:.*)Check the secret 'MAIL'") as caught:
            send_to(address)
        assert leaks(str(caught.value), "canary-5f1e") == []
        monkeypatch.setenv("MAINSPRING_SECRET_MAIL", "canary-5f1e")
        with pytest.raises(ConfigError, match="'MAIL' is not USER:PASSWORD"):
            send_to(address)
        monkeypatch.setenv("MAINSPRING_SECRET_MAIL", "robot:canary-\u00e9")
        with pytest.raises(ConfigError, match="not ASCII") as other:
            send_to(address)
        assert "\u00e9" not in str(other.value)
        monkeypatch.delenv("MAINSPRING_SECRET_MAIL")
        with pytest.raises(ConfigError, match="'MAIL' is not set"):
            send_to(address)
        assert box.mails == []


# -- what a failure proves ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", ["EHLO", "MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize(("reply", "kind"), [("554 no", Permanent), ("451 later", NotSent)])
def test_refusal_proves_that_nothing_was_sent(box, stage, reply, kind):
    """For good with 5xx, for now with 4xx, at each stage."""
    box.replies[stage] = reply
    with pytest.raises(kind, match=rf"{reply}(?s:.*)at smtp://127.0.0.1:\d+"):
        send_to(box.address)


@pytest.mark.parametrize("stage", ["banner", "EHLO", "MAIL", "RCPT", "DATA", "text"])
def test_connection_lost_before_the_end_of_the_mail_proves_that_it_was_not_sent(stage):
    """The server accepts a mail only with its last line."""
    body = ("x" * 70 + "\n") * 100_000 if stage == "text" else "short"
    with serving_cut(stage) as address, pytest.raises(NotSent, match="the mail was not sent"):
        send_to(address, text=body)


def test_connection_lost_after_the_end_of_the_mail_is_unknown():
    """The server may have it."""
    with serving_cut("end") as address, pytest.raises(Transient, match="may have been sent") as caught:
        send_to(address)
    assert not isinstance(caught.value, NotSent)


@pytest.mark.parametrize("piece", [b"250-" + b"A" * 1000 + b"\r\n", b"A" * 1000])
@pytest.mark.parametrize("stage", ["banner", "EHLO", "DATA"])
def test_endless_reply_before_the_mail_proves_that_it_was_not_sent(stage, piece):
    """Lines without end, and a line without end: the connection is closed after the limit, and a retry may help."""
    with (
        serving_endless(stage, piece) as address,
        pytest.raises(NotSent, match="reply of the server is too large") as caught,
    ):
        send_to(address)
    assert str(caught.value).startswith("the mail was not sent: ")


@pytest.mark.parametrize("piece", [b"250-" + b"A" * 1000 + b"\r\n", b"A" * 1000])
def test_endless_reply_to_the_mail_is_unknown(piece):
    """The server may have it."""
    with serving_endless("end", piece) as address, pytest.raises(Transient, match="may have been sent") as caught:
        send_to(address)
    assert "reply of the server is too large" in str(caught.value)
    assert not isinstance(caught.value, NotSent)


def test_replies_of_a_conversation_have_a_limit(box, monkeypatch):
    """Each may be short: their sum counts."""
    monkeypatch.setattr(mail_connection, "MAX_CONVERSATION_BYTES", 300)
    send_to(box.address)
    with pytest.raises(NotSent, match="300 in all replies"):
        send_to(box.address, [f"ann{number}@example.com" for number in range(60)])


def test_endless_banner_releases_the_effect(tmp_path):
    """The next attempt sends the mail, no person is asked."""

    @ms.workflow(name="mail-endless")
    async def report(run: ms.Run) -> None:
        await run.options(retry=ms.Retry(attempts=1)).step(
            email.send, "ann@example.com", "Report", text="done", server=address, once="report"
        )

    with (
        serving_endless("banner", b"220-" + b"A" * 1000 + b"\r\n") as address,
        pytest.raises(ms.RunFailed, match="was not sent"),
    ):
        ms.App(str(tmp_path / "a.db")).run(report)
    assert list_effects(SqliteReader(str(tmp_path / "a.db")), EffectFilter()).effects == []


def test_absent_server_proves_that_nothing_was_sent():
    """Nothing listens there."""
    with serving_mail() as box:
        address = box.address
    with pytest.raises(NotSent, match="refused"):
        send_to(address)


def test_silent_server_is_abandoned_after_the_timeout():
    """It is not sent, and the call returns."""
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(NotSent, match=r"timed out|no answer in time"):
        send_to(f"smtp://127.0.0.1:{silent.getsockname()[1]}?from=ms@example.com", timeout="0.1s")


def test_refused_recipients_are_in_the_result(box):
    """The others get the mail; only if all are refused does it fail."""
    box.refused = {"bob@example.com": "550 no such user", "carl@example.com": "450 try later"}
    result = send_to(box.address, ["ann@example.com", "bob@example.com"], cc="carl@example.com")
    assert result.accepted == ("ann@example.com",)
    assert result.refused == {"bob@example.com": "550 no such user", "carl@example.com": "450 try later"}
    with pytest.raises(Permanent, match=r"no recipient was accepted: bob@example.com: 550 no such user"):
        send_to(box.address, "bob@example.com")
    with pytest.raises(NotSent, match="450 try later"):
        send_to(box.address, ["bob@example.com", "carl@example.com"])
    assert len(box.mails) == 1


def test_lost_answer_without_a_check_is_one_question(tmp_path, monkeypatch, caplog):
    """At most one mail, one effect in doubt, no second attempt; the password is in no file, log or error."""
    monkeypatch.setenv("MAINSPRING_SECRET_MAIL", "robot:canary-77ab")

    store = tmp_path / "a.db"
    with serving_mail(password="canary-77ab") as server:

        @ms.workflow(name="mail-in-doubt")
        async def mail_in_doubt(run: ms.Run) -> None:
            await run.options(retry=3).step(lose_unchecked_mail, server.port)

        with pytest.raises(ms.RunFailed, match="may or may not") as caught:
            ms.App(str(store)).run(mail_in_doubt)
    assert server.subjects() == ["Report"]
    (effect,) = list_effects(SqliteReader(store), EffectFilter()).effects
    assert (effect.key, effect.state) == ("report", EffectState.IN_DOUBT)
    texts = {"error": str(caught.value), "log": caplog.text, "note": effect.note}
    texts |= {path.name: path.read_bytes().decode("latin-1") for path in tmp_path.rglob("*") if path.is_file()}
    assert {name: found for name, text in texts.items() if (found := leaks(text, "canary-77ab"))} == {}


def test_refused_sign_in_of_a_step_discloses_no_password(tmp_path, monkeypatch, caplog):
    """Neither in the store, nor in the log, nor in the error of the run; no effect is left."""
    monkeypatch.setenv("MAINSPRING_SECRET_MAIL", "robot:canary-77ab")
    with serving_mail(password="right-password") as box:

        @ms.workflow(name="mail-without-sign-in")
        async def mail_without_sign_in(run: ms.Run) -> None:
            server = f"smtp://secret:MAIL@127.0.0.1:{box.port}?from=ms@example.com"
            await run.step(email.send, "ann@example.com", "Report", text="x", server=server)

        store = tmp_path / "a.db"
        with pytest.raises(ms.RunFailed, match="535") as caught:
            ms.App(str(store)).run(mail_without_sign_in)
    assert list_effects(SqliteReader(store), EffectFilter()).effects == []
    texts = {"error": str(caught.value), "log": caplog.text}
    texts |= {path.name: path.read_bytes().decode("latin-1") for path in tmp_path.rglob("*") if path.is_file()}
    assert {name: found for name, text in texts.items() if (found := leaks(text, "canary-77ab"))} == {}


# -- bad input ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "to",
    [
        "ann",
        "ann@",
        "@example.com",
        "a b@example.com",
        "ann@example.com, bob@example.com",
        "ann@example.com\r\nRCPT TO:<eve@example.com>",
        "Ann\nBcc: eve@example.com <ann@example.com>",
        "ann@exa mple.com",
        "ann@-example.com",
        "ann..b@example.com",
        "ann@example.com\u202e",
        "Ann <ann@example.com> <eve@example.com>",
        "ann@stra\u00dfe.example",
        "\ud800@example.com",
        7,
        [],
        ["ann@example.com", None],
    ],
)
def test_bad_recipient_is_refused_before_anything_is_sent(box, to):
    """The error names the option and a form that works."""
    with pytest.raises(OptionError, match=r"(?s)(to=|no recipient).*(Write|xn--)"):
        send_to(box.address, to)
    assert box.mails == []


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"subject": "a\r\nBcc: eve@example.com"}, "subject="),
        ({"subject": "a\u2028b"}, "subject="),
        ({"subject": "x" * 3_000}, "2,000 characters"),
        ({"subject": "=?utf-8?q?a=0D=0ABcc:_eve@example.com?="}, "encoded word"),
        ({"sender": "=?utf-8?q?a=0ABcc:_eve@example.com?= <ann@example.com>"}, "sender="),
        ({"timeout": "0s"}, "timeout="),
        ({"text": None}, "neither text= nor html="),
        ({"text": b"x"}, "text= is bytes"),
        ({"text": "\ud800"}, "UTF-8"),
        ({"sender": "x\ny@example.com"}, "sender="),
        ({"reply_to": "x"}, "reply_to="),
        ({"attachments": [("a\r\nb", b"")]}, "attachments="),
        ({"attachments": [("../a", b"")]}, "attachments="),
        ({"attachments": [("a", "text")]}, "attachments="),
        ({"attachments": [3]}, "attachments= has int"),
        ({"within": "1h"}, "needs once="),
        ({"check": lambda message_id: None}, "check= of email.send needs once="),
        ({"once": "a\nb"}, "key"),
    ],
)
def test_bad_option_is_refused_before_anything_is_sent(box, options, problem):
    """The error names the option."""
    with pytest.raises(ms.MainspringError, match=problem):
        send_to(box.address, **options)
    assert box.mails == []


@pytest.mark.parametrize(
    "text",
    [
        "a\r\n.\r\nMAIL FROM:<eve@example.com>\r\n",
        "a\n.\nb",
        "a\r.\rb",
        ".",
        "..a\n.",
        "From eve@example.com\n",
        "a\n.\r\nb\r.\n",
    ],
)
def test_text_cannot_end_the_mail(box, text):
    """Each line that is a dot, with any kind of line end, arrives as text; no second mail begins."""
    send_to(box.address, text=text)
    ((_, mail),) = box.mails
    expected = text.replace("\r\n", "\n").replace("\r", "\n")
    assert mail.get_content().rstrip("\n") == expected.rstrip("\n")


def test_name_of_an_attachment_makes_no_header(box, tmp_path):
    """Names of files may have any character but a slash."""
    names = ["a\nb.txt", 'a"; x="b.txt', "=?utf-8?q?a=0D=0ABcc:_eve@example.com?=.txt", "\udcff.bin", "\u202etxt.exe"]
    for name in names:
        (tmp_path / name).write_bytes(b"x")
    send_to(box.address, attachments=[tmp_path / name for name in names])
    ((_, mail),) = box.mails
    found = [part.get_filename() for part in mail.iter_attachments()]
    assert found == ["a_b.txt", 'a"; x="b.txt', "=_utf-8?q?a=0D=0ABcc:_eve@example.com?=.txt", "\ufffd.bin", "_txt.exe"]
    assert mail["Bcc"] is None


def test_reply_that_is_no_reply_proves_nothing(box):
    """Only 4xx and 5xx say that the server does not have the mail."""
    box.replies["DATA"] = "299 hm"
    with pytest.raises(Transient, match="may have been sent") as caught:
        send_to(box.address)
    assert not isinstance(caught.value, NotSent)


def test_attachments_that_are_too_large_are_named_with_their_sizes(box, tmp_path):
    """The largest first; nothing is sent."""
    large = tmp_path / "movie.mp4"
    with large.open("wb") as file:
        file.truncate(20 * 1024 * 1024)
    with pytest.raises(Permanent) as caught:
        send_to(box.address, attachments=[("note.txt", b"x" * 200_000), large])
    assert str(caught.value) == (
        "the attachments have 20.2 MiB, at most 20.0 MiB are allowed\nin movie.mp4 (20.0 MiB), note.txt (0.2 MiB)\n"
        "Send a link to the file, or raise max_attachments= if your server accepts more."
    )
    assert box.mails == []


def test_attachment_that_cannot_be_read_is_named(box, tmp_path):
    """A missing file, a folder, a pipe that would block."""
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "missing.pdf", tmp_path, tmp_path / "pipe"):
        with pytest.raises(Permanent, match=f"cannot be read(?s:.*)in {path}"):
            send_to(box.address, attachments=[str(path)])
    assert box.mails == []


def test_import_of_the_actions_is_light():
    """A program that only names an action loads no mail, HTTP or template library."""
    code = "import sys; from mainspring.actions import chat, email, pagerduty, slack; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert set(loaded) & {"smtplib", "email.message", "mimetypes", "jinja2", "httpx2", "apprise", "apsw"} == set()


def test_sync_form_does_not_block_a_loop(box):
    """The error names the async form."""

    async def call():
        send_to(box.address)

    with pytest.raises(DefinitionError, match=r"await email.send_async"):
        asyncio.run(call())
    assert box.mails == []


def test_body_of_a_workflow_sends_nothing(box, tmp_path):
    """It would be sent at each replay; the error names run.step."""

    @ms.workflow(name="mail-in-a-body")
    async def direct(run: ms.Run) -> None:
        await email.send_async("ann@example.com", "Report", text="x", server=box.address, once="report")

    with pytest.raises(ms.RunFailed, match=OutsideStepError("email.send").message):
        ms.App(str(tmp_path / "a.db")).run(direct)
    assert box.mails == []
