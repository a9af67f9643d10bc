select trigger, per from gatherings where run is null and here >= wanted limit ?
