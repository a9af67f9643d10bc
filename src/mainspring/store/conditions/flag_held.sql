flag_answers.flag = ? and flag_answers.side = ?
and (flag_answers.generation = runs.generation
     or exists (select 1 from journal where journal.run = flag_answers.run and journal.kind = 'flag' and journal.superseded is null
                and replace(journal.ident, 'flag:' || flag_answers.flag || ':' || substr(flag_answers.key_hash, 1, 12) || '#', '')
                    <> journal.ident))
