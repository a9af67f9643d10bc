"""Commands that test the code of a project against saved runs."""
