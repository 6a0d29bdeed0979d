"""People who differ: risk by rater and group, who is harmed, whose values count."""
