"""API tokens of programs: `mainspring tokens`."""
