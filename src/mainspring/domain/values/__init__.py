"""Values of users as typed JSON: arguments, calls, results, schemas, templates and codecs."""
