delete from inbox where run = ? and kind = {{update}}
