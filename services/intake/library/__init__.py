"""The licence library 电子证照库 as intake sees it.

What is pure here stays so; only its routes may know HTTP, and it must never see who a holder is.
"""
