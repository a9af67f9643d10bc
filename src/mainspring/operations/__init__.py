"""Operations: what looks at everything from outside and tells people."""
