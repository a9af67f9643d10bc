"""Sample workflows made from a seed: each is correct, or has one planted fault that a crash test must find."""
