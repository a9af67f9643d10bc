select id from runs
where ready = 1 and not (state in {{idle}} and session is null and blocked is null)
order by seq limit 20
