"""Page, tables, figures and summary: pure functions of the results document."""
