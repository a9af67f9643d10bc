"""Figures of this project beside a peer's, measured in the same run; see docs/performance.md."""
