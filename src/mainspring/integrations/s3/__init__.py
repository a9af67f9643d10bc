"""S3: addresses, the client, and the meaning of errors."""
