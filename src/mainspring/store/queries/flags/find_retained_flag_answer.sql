-- The answer of an earlier generation that the body of the run still has: its journal counts the outcome of this question.
select {{columns.flag_answers.flag_answer}} from flag_answers
where run = ? and generation < ? and flag = ? and key_hash = ?
  and exists (select 1 from journal where journal.run = flag_answers.run and journal.kind = {{flag}} and journal.superseded is null
              and replace(journal.ident, cast(? as text), '') <> journal.ident)
order by generation desc limit 1
