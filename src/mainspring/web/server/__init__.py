"""HTTP servers of the web process: sockets, connections, their limits and the allowed host names."""
