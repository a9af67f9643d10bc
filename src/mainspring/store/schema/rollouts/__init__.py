"""Tables of rollouts: the versions of each automation, the rollouts, and the runs that they assigned."""
