"""Endpoints of the API: handlers and routes, one noun a file."""
