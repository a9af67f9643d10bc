"""One broker a file: how its messages are fetched, acknowledged and given back."""
