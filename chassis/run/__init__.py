"""How a suite is started, watched, looked after and exchanged piece by piece.

It ties everything together; nothing else may import it, and it must never name a service.
"""
