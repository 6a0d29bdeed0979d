"""Results of a study: the document, and the sections that make it."""
