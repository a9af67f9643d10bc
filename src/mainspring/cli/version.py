"""`mainspring version`."""

from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy_group import command
from mainspring.version import __version__


@command("version", "print the version")
@pass_invocation
def version(invocation: Invocation) -> None:
    """Also: mainspring --version."""
    invocation.output.document({"version": __version__}, f"mainspring {__version__}")
