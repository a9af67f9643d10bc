"""The pages: what is stored, drawn for people. They read and act as the API does, by the same functions."""
