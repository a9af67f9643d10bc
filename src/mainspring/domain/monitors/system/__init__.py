"""Monitors of Mainspring itself: processes, the store, the clock and secrets."""
