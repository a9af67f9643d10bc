"""The docs command that shows a page: errors and checks name it, because it works wherever Mainspring is installed. Pure."""

ERRORS_TOPIC = "errors"
DOCTOR_TOPIC = "doctor"


def format_docs_command(topic: str, anchor: str = "") -> str:
    """Return the command that shows a page, or one section of it."""
    return f"mainspring docs show {topic}{'#' if anchor else ''}{anchor}"
