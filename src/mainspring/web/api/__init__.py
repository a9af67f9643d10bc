"""The HTTP API: one table of routes by noun. The responses, the document and the access tests are built from it.

See docs/adr/0015-one-authenticator-for-pages-and-api.md.
"""
