"""Downloads of the files of runs: ranges of bytes, names for browsers, and the responses that send chunk by chunk."""
