"""Webhooks of portals, one document a case.

It is pure; it must never import a channel.
"""
