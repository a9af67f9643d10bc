"""The web process: the HTTP servers for pages, API, probes, metrics and webhooks."""
