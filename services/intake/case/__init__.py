"""Cases at the window 办件: applied for, checked, corrected, accepted or refused, with their originals.

What is pure here stays so; only its routes may know HTTP, and it must never import another service.
"""
