"""What is sent to a collector of OpenTelemetry has this alike: the way there, and names that lose their secrets."""
