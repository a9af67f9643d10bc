"""What HTML pages share, and the pages outside the dashboard: sign-in, identity provider, links in messages."""
