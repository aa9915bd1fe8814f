"""Filters that are measured and are not programs of their own."""
