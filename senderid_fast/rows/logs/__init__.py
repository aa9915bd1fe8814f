"""Mail logs as rows: who connected, what it said in HELO and MAIL FROM.

What may live here: nothing but this line; each log has a module, imported when a job needs it.
"""
