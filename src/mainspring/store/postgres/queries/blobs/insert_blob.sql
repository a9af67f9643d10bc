insert into blob_contents (day, address, data) values (?, ?, ?) on conflict do nothing
