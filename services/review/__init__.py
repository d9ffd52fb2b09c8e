"""Review (审批): procedures as data carried by the case, automatic rules that explain themselves, four eyes.

It must never import another service.
"""
