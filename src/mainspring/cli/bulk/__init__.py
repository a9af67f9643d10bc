"""Operations on many runs: `mainspring bulk`, `mainspring failed`, and the options that select runs."""
