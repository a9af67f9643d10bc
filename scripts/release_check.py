"""Check a release: build it with pinned tools, look for known vulnerabilities of what it installs, and list that (CycloneDX).

Run by `make release-check` in an environment of requirements/release.txt. It ends with 1 on a finding. If the database of vulnerabilities
cannot be reached, it says so and continues; with STRICT=1 (CI sets it) that is a finding too.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LISTS = ("core", "server", "build")
"""What users install, what the image installs, and what builds both."""
Run = Callable[..., "subprocess.CompletedProcess[str]"]


def build(run: Run, to: Path) -> list[str]:
    """Build sdist and wheel without fetching anything that has no hash; return what went wrong."""
    done = run([sys.executable, "-m", "build", "--no-isolation", "--outdir", str(to), str(ROOT)])
    return [] if done.returncode == 0 else [f"the package cannot be built:\n{done.stdout}{done.stderr}"]


def audit(run: Run, *, strict: bool) -> list[str]:
    """Return the known vulnerabilities of each list; and, if `strict`, that one could not be checked."""
    findings = []
    for name in LISTS:
        file = ROOT / "requirements" / f"{name}.txt"
        words = ["--require-hashes", "--disable-pip", "--progress-spinner", "off", "--format", "json", "-r", str(file)]
        done = run([sys.executable, "-m", "pip_audit", *words])
        try:
            dependencies = json.loads(done.stdout)["dependencies"]
        except (ValueError, KeyError, TypeError):
            reason = (done.stderr.strip().splitlines() or ["no reason was given"])[-1]
            print(f"NOT CHECKED: {file.name} against the database of vulnerabilities: {reason}")
            findings += [f"{file.name} was not checked, and STRICT=1 asks for it"] if strict else []
            continue
        found = [(one["name"], one["version"], wrong) for one in dependencies for wrong in one.get("vulns", ())]
        for package, version, wrong in found:
            fixed = ", ".join(wrong.get("fix_versions") or ()) or "none yet"
            findings.append(f"{file.name}: {package} {version} has {wrong['id']} (fixed in: {fixed})")
        print(f"{file.name}: {len(dependencies)} packages checked, {len(found)} known vulnerabilities")
    return findings


def list_parts(run: Run, to: Path) -> list[str]:
    """Write what the image installs as `mainspring.cdx.json`; return what went wrong."""
    file = to / "mainspring.cdx.json"
    words = ["requirements", "--output-reproducible", "--of", "JSON", "-o", str(file)]
    done = run([sys.executable, "-m", "cyclonedx_py", *words, str(ROOT / "requirements" / "server.txt")])
    if done.returncode != 0:
        return [f"the list of parts cannot be made:\n{done.stderr}"]
    parts = json.loads(file.read_text(encoding="utf-8"))
    unpinned = [one["name"] for one in parts["components"] if "version" not in one]
    print(f"{file.name}: {len(parts['components'])} components, CycloneDX {parts['specVersion']}")
    return [f"{name} has no version in {file.name}" for name in unpinned]


def main(env: Mapping[str, str] = os.environ) -> int:
    """Do all of it; return the exit code."""

    def run(words: list[str]) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(words, capture_output=True, text=True, check=False, cwd=ROOT)

    to = ROOT / "dist"
    to.mkdir(exist_ok=True)
    findings = [*build(run, to), *audit(run, strict=env.get("STRICT") == "1"), *list_parts(run, to)]
    for finding in findings:
        print(f"FOUND: {finding}")
    print("release-check: " + (f"{len(findings)} findings" if findings else "no findings"))
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
