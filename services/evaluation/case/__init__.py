"""Cases as supervision sees them: ratings, clocks and journals.

What is pure here stays so; only its routes may know HTTP, and it must never import another service.
"""
