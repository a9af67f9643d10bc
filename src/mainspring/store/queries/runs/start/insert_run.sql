insert into runs {{insert.runs.new_run}}
