"""Topics of a report, one module a topic.

The function `present` of each module works from the results document alone.
"""
