"""HTTP listeners of the web process: sockets, connections, their limits and the hosts by which they may be called."""
