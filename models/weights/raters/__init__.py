"""People who differ: raters with weights, rules and nuisances of their own, partially pooled."""
