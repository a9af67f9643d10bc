delete from rollup_details where automation = ?
