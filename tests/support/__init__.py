"""Helpers that the tests share; found through ``pythonpath = ["tests"]`` in pyproject.toml."""
