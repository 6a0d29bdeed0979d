"""Tables of items, where they come from, and what is done to them. Imports nothing of ours."""
