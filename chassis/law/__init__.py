"""What the law and a city's own file say: who has which right where, and which days are working days.

It must never import what runs.
"""
