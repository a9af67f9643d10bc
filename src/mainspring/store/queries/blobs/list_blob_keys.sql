select blob from blobs where blob >= ? and blob < ?
