"""Settlements of a month 结算.

What is pure here stays so; it must never know a partner's format.
"""
