"""Courier (双向寄递): parcels ordered once, and scans taken as evidence, whenever and however often they arrive.

It must never import another service.
"""
