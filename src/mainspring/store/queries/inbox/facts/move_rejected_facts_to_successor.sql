update rejected_facts set run = :heir where run = :run
