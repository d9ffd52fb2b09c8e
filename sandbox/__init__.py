"""A pretend city for demonstrations, tests and benchmarks: citizens, officers, SMS and courier partners, registers.

It knows `contracts`, HTTP and at most the bus port; it must never import a service or the inside of the chassis.
"""
