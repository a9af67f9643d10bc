"""Replays of saved runs against loaded code: in processes of their own, without network, and without a store."""
