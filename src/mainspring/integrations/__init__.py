"""Integrations: one file for each vendor. A file imports its client library when it connects or sends."""
