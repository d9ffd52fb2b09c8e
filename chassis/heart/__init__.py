"""The heart: how messages are read, folded, kept and said, and what is planned is done, whatever dies.

It knows the ports only; it must never import a driver, a web framework or a service.
"""
