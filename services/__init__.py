"""The services, one folder each, discovered by their `app.py`. They share nothing but contracts and chassis, and never
import one another.
"""
