"""The pages of the documentation on a terminal: `mainspring docs`."""
