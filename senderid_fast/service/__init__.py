"""What runs a protocol server as a service: sockets, workers, reload, log lines, metrics.

What may live here: nothing but this text; words.py is what protocol servers know of all of it.
"""
