update journal set state = {{cancelled}} where run = ? and rank = ? and kind in ({{signal}}, {{event}}) and state = {{succeeded}}
