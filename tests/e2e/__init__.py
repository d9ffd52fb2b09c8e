"""Tests of the whole, through public doors only. Nothing here may look inside a service."""
