"""The deploy check: the stored runs replayed against new code, and the definitions compared."""
