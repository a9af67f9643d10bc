select 1
where exists (select 1 from failures where fingerprint is null)
   or exists (select 1 from incidents where automation = ? and state <> {{resolved}})
