"""Notify (短信): one notice for every turn that matters to the citizen, sent once, followed to its end.

It must never import another service.
"""
