"""Measurements of the whole suite against the table of the design; `python -m tests.bench` runs them.

Nothing in here is a test: it prints and writes figures, and must never make a test depend on time.
"""
