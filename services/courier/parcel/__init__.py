"""Parcels 包裹 of each direction, and the numbers and scans that belong to them.

What is pure here stays so; only its routes may know HTTP, and it must never know a partner's format.
"""
