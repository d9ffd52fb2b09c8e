"""Capabilities of notify, each test named after its row.

They act through public doors and real partners' formats; nothing here may look into a service.
"""
