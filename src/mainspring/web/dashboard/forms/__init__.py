"""Forms built from a JSON Schema: input kinds, fields, and parsing of what was typed. Pure."""
