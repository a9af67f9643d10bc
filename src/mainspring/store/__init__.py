"""The journal on disk: commands in, one transaction per group, one row of truth for everything."""
