"""Operations on runs: start, cancel, recover, answer, signal; on one, on many, in bulk."""
