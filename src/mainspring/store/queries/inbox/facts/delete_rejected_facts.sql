delete from rejected_facts where run = ?
