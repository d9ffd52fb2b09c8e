"""placeholder"""
from tests.bench.report import Figure
async def hop(directory, quick): return []
