"""The material store: where files lie, how they are sealed, and what is found out about them.

It does what waits; this package must never decide what becomes of an upload.
"""
