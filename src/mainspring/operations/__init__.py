"""What looks after automations from outside: who is told, and how it reaches them."""
