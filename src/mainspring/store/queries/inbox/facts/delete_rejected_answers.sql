delete from rejected_facts where run = ? and ident = ? and kind = 'answer'
