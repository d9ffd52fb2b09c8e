"""Mailboxes: what one number is told, in which order, within which limits.

What is pure here stays so; only routes and pushes may know HTTP, and it must never call a provider.
"""
