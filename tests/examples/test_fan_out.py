"""The fan-out: 998 of 1,000 are done, two are named, passing failures are tried again."""

import json

from tests.examples.lab import Lab


def test_fan_out_names_the_two_bad_items(lab: Lab) -> None:
    """All others are done, whatever the two did; each that failed in passing has a second attempt on record."""
    summary = lab.run("fan_out.py", "fan-out")
    assert (summary["done"], summary["total"]) == (998, sum(n * 3 for n in range(1_000) if n not in (313, 777)))
    assert [(bad["item"], bad["hint"]) for bad in summary["bad"]] == [
        (313, "Ask the supplier."),
        (777, "Ask the supplier."),
    ]
    steps = json.loads(json.dumps(lab.show()["step_lines"]))
    tries = {step["ident"].partition("[")[2].rstrip("]"): len(step["tries"]) for step in steps}
    assert len(tries) == 1_000
    assert {item for item, number in tries.items() if number == 2} == {str(n) for n in range(0, 1_000, 100)}
    assert tries["313"] == 1
