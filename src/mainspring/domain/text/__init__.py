"""Text as people write and read it: sizes, keys, addresses, phrases, and text that is safe to print."""
