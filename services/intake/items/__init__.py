"""The catalogue of what can be applied for 事项: guides, versions, public lists, and how two persons change it.

What is pure here stays so; only its routes may know HTTP, and it must never read a file.
"""
