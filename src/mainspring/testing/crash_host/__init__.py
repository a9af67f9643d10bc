"""The host process of a crash test: it lives the cases that are ordered, and watches their crash points."""
