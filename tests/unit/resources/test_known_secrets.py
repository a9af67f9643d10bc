"""What a process hides: values that were reported to it, made ready once."""

from mainspring.resources.known_secrets import KnownSecrets


def test_value_that_is_reported_again_rebuilds_nothing():
    """Nor does one that is too short to be hidden: both are asked for with each notice."""
    hidden = KnownSecrets()
    hidden.add(["a long value", "abc"])
    ready = hidden.redactor
    for values in (["a long value"], ["abc"], [""], []):
        hidden.add(values)
    assert hidden.redactor is ready
    assert hidden.redact("a long value of abc") == "*** of abc"
