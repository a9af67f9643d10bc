select 1 from inbox where run = ? and kind = {{cancel}} limit 1
