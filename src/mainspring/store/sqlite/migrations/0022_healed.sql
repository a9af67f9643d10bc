-- Of which runs a step succeeded at a later attempt only: few, and looked for among the many that went well at once.
create index journal_healed on journal (run) where state = 'succeeded' and attempt > 1;
