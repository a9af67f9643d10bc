"""Sentences and figures about what is stored: why a run does not go on, how the project stands. Read by command line, pages and API."""
