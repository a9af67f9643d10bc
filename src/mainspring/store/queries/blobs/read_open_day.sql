select cast(value as bigint) from meta where key = 'blobs.open_from'
