select address, length(data) from blob_contents where day = ?
