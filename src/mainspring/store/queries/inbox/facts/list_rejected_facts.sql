select {{columns.rejected_facts.rejected_row}} from rejected_facts where run = ? order by seq
