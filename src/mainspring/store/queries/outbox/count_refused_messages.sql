select count(*) from (select 1 from outbox where state = {{refused}} limit ?) as counted
