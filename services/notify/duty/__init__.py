"""Who of the officers is told of a clock.

It is pure; it must never import a provider.
"""
