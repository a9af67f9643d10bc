"""Text for people: states, instants and spans in words, words of a shell, widths, secrets hidden."""
