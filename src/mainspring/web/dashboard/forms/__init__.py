"""A form that is drawn of a JSON Schema and read back: what each part asks for, its fields, what was typed. Pure."""
