"""Evaluation (好差评, 电子监察): ratings and what follows, and every clock recomputed from the events of others.

It holds no key to personal data; it must never import another service.
"""
