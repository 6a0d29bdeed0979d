"""Pairs of cues that training tells apart by degree alone."""
