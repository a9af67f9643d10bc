"""From alerts to notices, with what definitions say."""

from mainspring.alerting.notices import NoticeRenderer
from mainspring.domain.definitions.definition import Definition, DefinitionKind
from mainspring.domain.incidents.incident import Severity
from mainspring.domain.integrity.audit_head import AuditHead
from mainspring.domain.notifications.early_warnings import EarlyWarning
from mainspring.domain.notifications.notification import NotificationEvent, NotificationField
from mainspring.domain.notifications.rendering import NotificationContext
from mainspring.store.commands.alerts import DueAlert
from tests.unit.alerting.test_notifier import AT, incident

BACKUP = Definition(
    kind=DefinitionKind.SCRIPT, name="backup", options={"owner": "ana", "team": "platform", "runbook": "docs/backup.md"}
)


def page(definition, incident):
    return None if definition is None else f"{definition.option('runbook')}#403"


def alert(seq=1, of=None):
    return DueAlert(seq=seq, id=f"a_{seq}", about=NotificationEvent.OPENED, opened=1, at=AT, incident=of or incident())


def test_notice_names_owner_team_and_runbook():
    """They are those of the last good definition; of what is defined nowhere nothing is said."""
    notices = NoticeRenderer({"backup": BACKUP}.get, page, tuple, NotificationContext(project="ops"))
    notice = notices((alert(),))
    assert (notice.id, notice.owner, notice.team, notice.project) == ("a_1", "ana", "platform", "ops")
    assert ("Do", "runbook docs/backup.md#403") in [(field.label, field.text) for field in notice.fields]
    assert NoticeRenderer(lambda name: None, page, tuple, NotificationContext())((alert(),)).owner is None


def test_alerts_of_the_lowest_severity_are_one_digest():
    """Its id is that of its first alert."""
    several = tuple(alert(n, incident(f"i_{n}", severity=Severity.DIGEST)) for n in (1, 2))
    notice = NoticeRenderer({}.get, page, tuple, NotificationContext())(several)
    assert (notice.about, notice.id) == (NotificationEvent.DIGEST, "a_1")
    assert notice.headline.startswith("[digest] 2 incidents and warnings")


def test_early_signs_and_incidents_are_one_digest():
    """Signs are asked for only where an alert is about them."""
    names_read = []

    def signs():
        names_read.append(1)
        return (EarlyWarning("Paused long", "a", "for 3d by ann"),)

    notices = NoticeRenderer({}.get, page, signs, NotificationContext())
    quiet = alert(2, incident("i_2", severity=Severity.DIGEST))
    assert len(notices((quiet,)).fields) == 1
    assert not names_read
    about_none = DueAlert(seq=1, id="d", about=NotificationEvent.DIGEST, opened=0, at=AT, incident=None)
    assert [field.label for field in notices((about_none, quiet)).fields][-1] == "Paused long"


def test_each_message_reports_the_head_of_the_audit_log():
    """Kept in a mailbox or a chat, it shows later that nothing was cut off."""
    head = AuditHead(7, "0123456789abcdef" * 4)
    notices = NoticeRenderer({}.get, page, tuple, NotificationContext(), audit_head=lambda: head)
    assert notices((alert(),)).fields[-1] == NotificationField("Audit log", "7:0123456789abcdef")
