"""What the posterior says: risk, evidence, values, shift. Imports `data` and `models`."""
