"""What is measured, each in a process of its own: ours, the peer's, and a bare commit."""
