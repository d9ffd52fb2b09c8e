"""Uploads 材料: opened, filled, inspected, claimed, removed.

What is pure here stays so; only its routes may know HTTP, and it must never judge a file's content.
"""
