"""Predicted choices, registered before they are seen, and their scores."""
