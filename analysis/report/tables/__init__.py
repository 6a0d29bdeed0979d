"""Tables of the report: as values, as CSV and as TeX, and headline numbers."""
