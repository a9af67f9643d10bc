update journal set state = {{cancelled}} where run = ? and rank = ? and kind in ({{signal}}, {{event}}, {{update}}) and state = {{succeeded}}
