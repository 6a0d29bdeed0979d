"""Numerical integration and sampling, without any notion of rewards."""
