update inbox set run = :successor where run = :run and kind in ({{signal}}, {{update}}, {{cancel}}, {{pause}})
