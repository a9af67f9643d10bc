"""Keep counts of what breaks a rule on record, so that they may only fall: the part that `language.py` and `prose.py` share."""

import re
import subprocess
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TREES = ("src/mainspring", "tests", "demo", "examples")
_EVERY_LINE = range(1, 100_000)


@dataclass(frozen=True)
class Finding:
    """What breaks a rule: the rule (or the word), the place from the root, the name that breaks it."""

    rule: str
    path: str
    line: int
    name: str

    @property
    def layer(self) -> str:
        """The first folder below the source or the tests, so that moves inside a layer change no count."""
        return layer_of(self.path)

    def __str__(self) -> str:
        """Return place, name and rule."""
        return f"{self.path}:{self.line}: {self.name} ({self.rule})"


def layer_of(path: str) -> str:
    """Return the layer of a path: `src/mainspring/cli`, `tests/unit`; for a file beside them the folder above."""
    tree = next((tree for tree in TREES if path.startswith(f"{tree}/")), "")
    first, below, _ = path.removeprefix(f"{tree}/").partition("/")
    if not tree:
        return path.rpartition("/")[0] or path
    return f"{tree}/{first}" if below else tree


def counts_of(found: Iterable[Finding]) -> dict[str, Counter[str]]:
    """Return how often each rule is broken, by layer."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for finding in found:
        counts[finding.layer][finding.rule] += 1
    return counts


def read_counts(file: Path, root: Path = ROOT) -> dict[str, dict[str, int]]:
    """Read the counts that are on record."""
    return tomllib.loads((root / file).read_text(encoding="utf-8"))


def write_counts(counts: Mapping[str, Mapping[str, int]], program: str, path: Path) -> None:
    """Write the counts, one line a layer, so that two branches seldom change one line."""
    lines = [f"# Written by `python scripts/{program} --write`. Each count may only fall.\n"]
    for layer, rules in sorted(counts.items()):
        rows = ", ".join(f'"{rule}" = {count}' for rule, count in sorted(rules.items()) if count)
        lines.append(f'"{layer}" = {{ {rows} }}\n' if rows else "")
    path.write_text("".join(lines), encoding="utf-8")


def risen(now: Mapping[str, Mapping[str, int]], before: Mapping[str, Mapping[str, int]]) -> list[tuple[str, str]]:
    """Return each layer and rule with more findings than are on record."""
    return [
        (layer, rule)
        for layer, rules in sorted(now.items())
        for rule, count in sorted(rules.items())
        if count > before.get(layer, {}).get(rule, 0)
    ]


def report(
    found: list[Finding],
    rises: Iterable[tuple[str, str]],
    terms: Mapping[str, str],
    added: Mapping[str, set[int]] | None,
) -> str:
    """Return what rose, each with the term to write instead and its places: those among the added lines, if they are known."""
    lines = []
    for layer, rule in rises:
        places = [finding for finding in found if (finding.layer, finding.rule) == (layer, rule)]
        new = [finding for finding in places if added is not None and finding.line in added.get(finding.path, ())]
        lines.append(f"'{rule}' stands more often in {layer} than before. Use: {terms.get(rule, '')}")
        lines += [f"    {finding}" for finding in (new or places)[:10]]
    return "\n".join(lines)


def lines_added(since: Path, root: Path = ROOT) -> dict[str, set[int]] | None:
    """Return the lines that each file got since another file was committed; None if git does not know."""
    try:
        commit = _git(root, "log", "-1", "--format=%H", "--", str(since)).strip()
        difference = _git(root, "diff", "--unified=0", "--no-color", commit) if commit else ""
        listed = _git(root, "ls-files", "--others", "--exclude-standard")
    except (OSError, subprocess.CalledProcessError):
        return None
    if not commit:
        return None
    added: dict[str, set[int]] = defaultdict(set)
    path = ""
    for line in difference.splitlines():
        if line.startswith("+++ "):
            path = line.removeprefix("+++ b/")
        elif hunk := re.match(r"@@ \S+ \+(\d+)(?:,(\d+))? @@", line):
            first, count = int(hunk[1]), int(hunk[2] or 1)
            added[path].update(range(first, first + count))
    for new in listed.splitlines():
        added[new].update(_EVERY_LINE)
    return added


def _git(root: Path, *words: str) -> str:
    return subprocess.run(["git", "-C", root, *words], capture_output=True, text=True, check=True).stdout


def write(found: Iterable[Finding], path: Path, program: str, *, accept: bool) -> int:
    """Write the counts, unless the total of a rule rose and `accept` is false."""
    now = counts_of(found)
    before = tomllib.loads(path.read_text(encoding="utf-8")) if path.exists() else now
    old = total_of(before)
    rose = [rule for rule, count in sorted(total_of(now).items()) if count > old[rule]]
    if not rose or accept:
        write_counts(now, program, path)
        return 0
    print("".join(f"{rule}: more than on record\n" for rule in rose), end="")
    return 1


def print_findings(found: Iterable[Finding], prefixes: list[str], terms: Mapping[str, str]) -> None:
    """Print each finding below some paths, with what to write instead."""
    for finding in sorted(found, key=lambda finding: (finding.path, finding.line)):
        if prefixes == ["all"] or finding.path.startswith(tuple(prefixes)):
            print(f"{finding} -> {terms.get(finding.rule, '')}")


def total_of(counts: Mapping[str, Mapping[str, int]]) -> Counter[str]:
    """Return the counts of all layers together."""
    total: Counter[str] = Counter()
    for rules in counts.values():
        total.update(rules)
    return total
