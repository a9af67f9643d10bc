select id, parent from runs where queue = ? and partition = ? and blocked = 'partition' order by place, seq limit 1
