"""Commands on rollouts: start, status, pause, resume, abort, finish."""
