"""Jobs: all rows of a file checked, written, and summed up; a killed job goes on where it was.

What may live here: nothing but this line; the modules are imported when a job needs them.
"""
