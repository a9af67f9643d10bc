select payload from inbox where run = ? and kind = {{pause}} order by seq limit 1
