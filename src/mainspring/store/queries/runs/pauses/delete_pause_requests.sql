delete from inbox where run = ? and kind = {{pause}}
