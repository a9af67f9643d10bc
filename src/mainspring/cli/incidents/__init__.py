"""Commands on incidents, monitors and notifications."""
