"""Tables of flags: the flags, the answers that runs hold, and the questions of each hour."""
