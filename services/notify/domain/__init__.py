"""What notify knows and decides, without anything that waits.

It must never import a web framework, a driver or another service.
"""
