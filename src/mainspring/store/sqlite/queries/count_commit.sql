update commits set number = number + 1, at = ? where writer = ''
returning number, (select cast(value as integer) from meta where key = 'epoch')
