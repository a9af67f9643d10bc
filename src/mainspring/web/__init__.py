"""The web process: answers to probes and figures for a monitoring system, over HTTP."""
