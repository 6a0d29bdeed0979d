"""Studies: reading, checking, running and comparing study files."""
