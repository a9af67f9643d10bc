update blobs set unreferenced_at = ? where unreferenced_at = 0
