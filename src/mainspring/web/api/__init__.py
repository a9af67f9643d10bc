"""The API of programs: one table of routes by noun, of which the answers, their document and the test of access are made.

See docs/adr/0015-one-gate-for-pages-and-programs.md.
"""
