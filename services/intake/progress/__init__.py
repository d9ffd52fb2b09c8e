"""Pages on which a citizen sees how far a case is 办件进度.

What is pure here stays so; only its routes may know HTTP, and it must never say who a case is of.
"""
