"""Mailboxes: what one number is told, in which order, by which manners.

What is pure here stays so; only routes and pushes may know HTTP, and it must never call a provider.
"""
