"""What looks after automations from outside: the facts of a look, what is wrong, who is told, and how it reaches them."""
