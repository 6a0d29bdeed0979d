"""The part of the page in which a reader moves values, agent and failure line."""
