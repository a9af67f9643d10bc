"""What steps of the releases of `test_engine_renamed.py` have done, in order."""

DONE: list[str] = []


def note(name: str) -> str:
    """Note that a step was done: "did NAME", for the name alone would be one that the code can reach."""
    DONE.append(name.removeprefix("did "))
    return name
