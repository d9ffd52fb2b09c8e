"""Guides that run: every command of README and docs/ is taken from the text and executed.

It must never hold a command of its own.
"""
