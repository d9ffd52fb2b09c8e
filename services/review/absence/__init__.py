"""Who stands in for whom 代理.

What is pure here stays so; only its routes may know HTTP, and it must never import another service.
"""
