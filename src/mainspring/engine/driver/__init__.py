"""The driver of a loaded run: it joins the body to the store and writes the journal."""
