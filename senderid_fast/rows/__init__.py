"""Rows from files and back: what `senderid-fast batch` reads and writes.

What may live here: nothing but this line; the modules are imported when a job needs them.
"""
