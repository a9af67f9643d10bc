"""The check of new code before it is deployed: the stored runs replayed in a process of its own, and the definitions compared."""
