-- A signal gets back the place in the order of arrival that it had.
insert into inbox (seq, run, kind, name, payload, source, at) values (?, ?, {{signal}}, ?, ?, ?, ?) on conflict do nothing
