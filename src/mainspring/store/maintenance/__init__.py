"""Maintenance of whole stores: integrity rules, the lost interval after a restore, and the move of all rows to another
database.
"""
