"""The supervisor, the processes that it keeps on a machine, and what they record about themselves."""
