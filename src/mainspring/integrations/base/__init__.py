"""The base of integrations: their protocols, addresses, and requests over HTTP."""
