select data from blob_contents where day = ? and address = ?
