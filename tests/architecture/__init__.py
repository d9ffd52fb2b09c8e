"""Rules of the code base as tests: arrows, purity, clocks, wiring, generated files, size.

They read sources and descriptions; nothing here may ever start a service, except the test that adds a sixth one.
"""
