"""Commands on the whole store: `mainspring db` and the audit log."""
