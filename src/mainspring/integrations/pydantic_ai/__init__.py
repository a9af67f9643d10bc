"""Pydantic AI (extra `pydantic-ai`): agents that are durable in the body of a workflow."""

from mainspring.integrations.pydantic_ai.durability import MainspringDurability

__all__ = ["MainspringDurability"]
