"""How people and programs speak with a service over HTTP: who they are, what they may, what they are told.

It must never import a driver, or a service.
"""
