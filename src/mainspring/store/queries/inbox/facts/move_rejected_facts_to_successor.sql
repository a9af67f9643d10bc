update rejected_facts set run = :successor where run = :run
