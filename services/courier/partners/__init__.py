"""Courier partners, a module each, that speak the partner's own wire format.

They must never decide what a scan means for a case.
"""
