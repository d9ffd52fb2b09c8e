"""Departmental registers that review asks.

They must never decide what an answer means for a case.
"""
