"""The report: two runs of one month, one mail; another month is another mail."""

from tests.examples.lab import Lab
from tests.unit.actions.message_servers import serving_mail


def test_month_that_is_reported_twice_makes_one_mail(lab: Lab) -> None:
    """The second run returns the mail of the first. A name of a file that is markup is text in the mail."""
    files = lab.folder / "files"
    files.mkdir()
    (files / "<b>.txt").write_text("x" * 30)
    (files / "a.txt").write_text("x" * 1_000)
    with serving_mail() as box:
        lab.env["MAIL_SERVER"] = box.address
        first, second, other = (
            lab.run("mail_report.py", "mail-report", f"month={month}", f"folder={files}")
            for month in ("2026-10", "2026-10", "2026-11")
        )
    assert first == second != other
    assert box.subjects() == ["Files of 2026-10", "Files of 2026-11"]
    mail = box.mails[0][1]
    assert mail["Message-ID"] == first
    assert mail.get_body(("plain",)).get_content() == "2 files have 1,030 bytes.\n"
    assert "<td>&lt;b&gt;.txt</td><td>30</td>" in mail.get_body(("html",)).get_content()
    (table,) = mail.iter_attachments()
    assert table.get_filename() == "files-2026-10.csv"
    assert table.get_content().split() == ["name,bytes", "a.txt,1000", "<b>.txt,30"]
