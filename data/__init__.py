"""Tables of items: readers, expressions, shifts and worlds.

The folder imports none of the other folders.
"""
