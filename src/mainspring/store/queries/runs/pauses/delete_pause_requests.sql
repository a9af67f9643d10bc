delete from inbox where run = ? and kind in ({{pause}}, {{resume}})
