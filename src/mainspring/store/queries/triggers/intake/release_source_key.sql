update deliveries set key = key || '#' || id where trigger = ? and key = ? and state not in {{undecided}}
