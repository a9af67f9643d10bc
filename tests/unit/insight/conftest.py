"""The command line and its stage: what is read here is what it prints."""

from tests.unit.cli.conftest import cli, folder, shop, stage, store_path

__all__ = ["cli", "folder", "shop", "stage", "store_path"]
