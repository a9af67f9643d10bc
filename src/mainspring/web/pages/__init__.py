"""Infrastructure of the HTML pages, and the pages outside the dashboard: sign-in, identity provider, links in messages."""
