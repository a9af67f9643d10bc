"""The demo: it imports a year of real flights, its worker is killed in the middle, and nothing is lost. Run it with `make demo`."""
