"""The two buses and the two stores behind the ports.

They must never import the heart, or a service.
"""
