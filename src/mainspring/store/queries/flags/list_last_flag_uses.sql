-- One search in the index of each flag, however many uses there are.
select name, (select max(flag_uses.last_at) from flag_uses where flag_uses.flag = flags.name) from flags order by name
