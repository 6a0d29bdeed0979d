"""Analyses of a posterior: risk, evidence, sensitivity, shift, agents, reports.

Imports `data` and `models`.
"""
