"""What someone called his automation, what a program wrote and what an error says: the command line shows it, and it does no more."""

import unicodedata

import pytest

from mainspring.domain.definitions.definition import Definition, DefinitionKind
from mainspring.domain.failures.failure import Failure
from mainspring.domain.incidents.incident import Finding, IncidentKind, Severity, Subject
from mainspring.domain.notifications.routing import NotificationTarget
from mainspring.domain.runs.log_line import Level, LogLine
from mainspring.domain.states import FailureReason, RunState
from mainspring.store.commands.incidents import EvaluatedFinding, RecordEvaluation
from mainspring.store.commands.logs import SaveLogs
from tests.contract.store.process import finish
from tests.unit.cli.test_logs import part

HOSTILE = {
    "terminal": "\x1b]0;owned\x07\x1b[2J\x1b[31mred\x9b1m\x1bc",
    "lines": "one\r\nBcc: all@example.com\r\n\r\nhello\u2028two\x85three\x0b\b\b\b",
    "markup": "[bold red]<script>alert(1)</script> <!channel> @everyone [/bold] [link=https://evil.example]x[/link]",
    "direction": "invoice\u202egpj.exe\u200b\u2066x\u200f",
    "formats": "%s %(name)s {0} {name!r} {} {{ ${HOME} `id`",
    "nul": "a\0b\ufeff",
    "a million": "\x1b[31m<!channel> %s \u202e@everyone\n" * 30_000,
}
OVERRIDES = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
LONGEST = 12_000
"""Nothing that is looked at below shows more characters of one incident and one failed run."""


@pytest.fixture(params=list(HOSTILE.values()), ids=list(HOSTILE))
def text(request):
    return request.param


@pytest.fixture
def victim(stage, text):
    """A failed run, its lines and its incident, which say it wherever it can be said."""
    name = f"n {text[:300]}"
    options = {
        "owner": text,
        "title": text[:1_000].replace("{", "{{").replace("}", "}}"),
        "runbook": text,
        "team": text,
    }
    definition = Definition(kind=DefinitionKind.TASK, name=name, options=options, doc=text)
    stage.announce(definition)
    run = stage.begin(definition)
    line = LogLine(at=stage.now, level=Level.ERROR, text=text, step=text[:100], fields={"x": text[:1_000]})
    stage.do(SaveLogs(run.id, (part(line, ident="dump#1"),)))
    failure = Failure(text[:100], text[:100], text)
    stage.do(
        finish(run, RunState.FAILED, failure=failure, reason=FailureReason.PERMANENT_ERROR, failed_ident=text[:100])
    )
    finding = Finding(
        subject=Subject(name, IncidentKind.PERMANENT_ERROR, text[:300]), severity=Severity.PAGE, text=text, since_at=0, hint=text,
        facts={"what": text, "impact": text, "run": text, text[:100]: text},
    )  # fmt: skip
    stage.do(
        RecordEvaluation(
            started_at=stage.now,
            found=(EvaluatedFinding(id="i_1", finding=finding, to=(NotificationTarget(0, "ops"),)),),
        )
    )
    return run.id


def is_harmless(out):
    """Whether a terminal only shows it, in its own colours and direction."""
    return not any(
        unicodedata.category(character) in ("Cc", "Cs") or character in OVERRIDES for character in out.replace("\n", "")
    )


def test_text_of_others_is_only_read(cli, victim, text):
    """No sign that moves, colours or renames; a screen or two at most, whatever it was. Programs get what was written."""
    for words in (
        *("status", "top", "incidents list", "incidents show i_1", "runs list", "failed list", "auto list"),
        *(f"runs show {victim}", f"explain {victim}"),
    ):
        result = cli(*words.split())
        assert result.code in (0, 9), (words, result)
        assert is_harmless(result.out + result.err), words
        assert len(result.out + result.err) < LONGEST, words
    result = cli("runs", "logs", victim)
    assert is_harmless(result.out)
    assert len(result.out) < 2 * len(text) + LONGEST
    result = cli("incidents", "show", "i_1", "--json")
    assert result.json["text"] == text
    assert is_harmless(result.out)
