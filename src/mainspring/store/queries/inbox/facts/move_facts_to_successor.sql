update inbox set run = :heir where run = :run and kind in ({{signal}}, {{cancel}})
