select {{columns.deliveries.delivery_view}}
from deliveries where id = ?
