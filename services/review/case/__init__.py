"""Cases under review 审批: steps, decisions, four eyes.

What is pure here stays so; only its routes may know HTTP, and it must never import another service.
"""
