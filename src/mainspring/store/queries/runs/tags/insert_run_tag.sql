insert into run_tags (name, value, run_seq, run) select cast(?1 as text), cast(?2 as text), seq, id from runs where id = ?3 on conflict do nothing
