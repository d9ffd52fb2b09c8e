"""Hand-over lists of a day 交寄清单.

What is pure here stays so; only its routes may know HTTP, and it must never know a partner's format.
"""
