"""Topics of a report, one module a topic, each with `present`: from the results document alone."""
