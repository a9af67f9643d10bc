"""What answers each command, whatever the database: reads, decides and writes through one group's transaction."""
