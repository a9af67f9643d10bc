"""Commands that write a project: `mainspring init` and `mainspring add`, with their templates."""
