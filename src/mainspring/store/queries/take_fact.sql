insert into facts_taken (run, kind, source) values (?, ?, ?) on conflict do nothing
