"""The demo: a year of real flights is taken in, its worker is killed in the middle, and nothing is lost. Run it with `make demo`."""
