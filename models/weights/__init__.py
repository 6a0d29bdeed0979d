"""Evidence of all feedback together, and posterior weights."""
