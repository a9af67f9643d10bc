-- The unfinished runs of a version that no session owns, oldest first.
select id from runs where automation = ? and version = ? and finished_at is null and session is null and (state in {{idle}} or state = {{paused}}) order by seq limit ?
