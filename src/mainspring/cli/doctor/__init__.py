"""`mainspring doctor` and its checks, a file for each subject."""
