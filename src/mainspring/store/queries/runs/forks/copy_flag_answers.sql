-- The answers that the inherited code has; of each flag and key the newest.
insert into flag_answers (run, generation, flag, key_hash, kind, side, reason, value, answered_at)
select cast(?1 as text), 0, flag, key_hash, kind, side, reason, value, answered_at from flag_answers as given
where run = ?2
  and not exists (select 1 from flag_answers as newer where newer.run = given.run and newer.flag = given.flag and newer.key_hash = given.key_hash
                  and newer.generation > given.generation)
  and exists (select 1 from journal where journal.run = ?1 and journal.kind = {{flag}}
              and replace(journal.ident, 'flag:' || given.flag || ':' || substr(given.key_hash, 1, 12), '') <> journal.ident)
