-- A signal gets back its earlier place in the order of arrival.
insert into inbox (seq, run, kind, name, payload, source, at) values (?, ?, {{signal}}, ?, ?, ?, ?) on conflict do nothing
