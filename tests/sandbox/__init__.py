"""Tests of the pretend city: the wire formats it speaks, and the truth of its counts.

Nothing here may know a service.
"""
