"""People who differ: raters with rewards of their own, partially pooled."""
