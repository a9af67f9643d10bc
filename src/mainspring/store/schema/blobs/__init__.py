"""Tables of the blobs of large values."""
