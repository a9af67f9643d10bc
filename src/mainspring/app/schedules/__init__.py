"""Schedules that a program creates: their options, and the operations of an app on them."""
