"""Intake 收件: the catalogue, applications, corrections, acceptance, and the citizens' progress page.

It is one service of the suite; nothing in here may import another service.
"""
