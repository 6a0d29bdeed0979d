"""Sections of a study file, one module a section."""
