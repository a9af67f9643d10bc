"""Incidents: the problems, the failed runs that belong to each, and the incidents that explain others."""
