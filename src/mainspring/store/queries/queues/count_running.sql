select count(*) from runs where queue = ? and state = {{running}}
