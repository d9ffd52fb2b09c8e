"""The rules of intake: cases at the window, and the citizens' progress pages.

Pure functions of state, message and now; nothing in here may import a driver, HTTP or another service.
"""
