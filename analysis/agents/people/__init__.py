"""People who differ: the risk by rater and by group, who is harmed, and whose values count."""
