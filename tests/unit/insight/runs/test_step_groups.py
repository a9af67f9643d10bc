"""Many calls of one step as one line."""

from msgspec.structs import replace

from mainspring.insight.runs.step_groups import CallCount, StepGroup, arrange_lines, count_groups
from mainspring.insight.runs.steps import StepLine, StepTry


def line(number: int, name: str = "clean_file", state: str = "succeeded", duration_ms: int = 100) -> StepLine:
    attempt = StepTry(1, state, 1_000, 1_000 + duration_ms)
    return StepLine(
        ident=f"{name}#{number}", name=name, kind="step", state=state, request_number=number, generation=0, superseded=None, tries=[attempt]
    )  # fmt: skip


def test_fan_out_is_one_line():
    """In the place of the first call, with what came of all of them, and below it those that failed."""
    calls = [
        line(n, state="failed" if n in (7, 80, 300) else "succeeded", duration_ms=120 if n > 340 else 100)
        for n in range(365)
    ]
    found = arrange_lines([line(0, "list_files"), *calls, line(0, "report")], 9_000)
    assert [group.name for group in found] == ["list_files", *["clean_file"] * 4, "report"]
    group = found[1]
    assert isinstance(group, StepGroup)
    assert (group.number, group.summary, group.left_out) == (365, "362 ok, 3 failed, p95 120ms", 0)
    assert [group.ident for group in found[2:5]] == ["clean_file#7", "clean_file#80", "clean_file#300"]


def test_few_calls_stay_lines_of_their_own():
    """Eight of one name; waits are never a group."""
    few = [line(n) for n in range(8)]
    waits = [replace(line(n, "sleep"), kind="timer") for n in range(20)]
    assert arrange_lines([*few, *waits], 9_000) == [*few, *waits]


def test_group_counts_what_still_runs():
    """By its state, without a part in the percentile; of many failures five are listed."""
    calls = [
        *(line(n, state="failed") for n in range(9)),
        replace(line(9, state="running"), tries=[StepTry(1, "running", 1_000)]),
    ]
    (group, *listed) = arrange_lines(calls, 900_000)
    assert (group.summary, group.left_out, len(listed)) == ("0 ok, 9 failed, 1 running, p95 100ms", 5, 5)


def test_groups_are_counted_from_the_journal():
    """The lines at hand are a part of them: only those without an outcome are added."""
    ended = [CallCount("load", "step", "succeeded", 1_500_000)] * 1_200 + [CallCount("load", "step", "failed", 10)]
    found = count_groups(ended, [line(1, "load"), line(2, "load", state="retrying"), line(3, "other")])
    assert list(found) == [("load", "step")]
    assert found["load", "step"].summary == "1,200 ok, 1 failed, 1 retrying, p95 1.5s"
