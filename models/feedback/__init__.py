"""Feedback: noisy choices that reward explains. One kind a file."""
