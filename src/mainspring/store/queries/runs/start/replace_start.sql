update runs set input = :input, codec = :codec, title = :title, item = :item, healthy = :healthy, headers = :headers, changed_at = :now,
                place = :due_at - priority * 60000, deadline_at = deadline_at + (:due_at - due_at), due_at = :due_at
where id = :run
