update gatherings set here = (select count(*) from gathered where gathered.trigger = gatherings.trigger and gathered.per = gatherings.per and counts = 1),
                      run = ?1, changed_at = ?2
where trigger = ?3 and per = ?4
