"""What is read 通知模板: texts by channel and language, checked against events.

Only its loading may open a file; it must never decide who is told.
"""
