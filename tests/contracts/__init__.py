"""Events, words and numbers: what is said, in bytes.

Nothing here may ever need a bus, a store or a service.
"""
