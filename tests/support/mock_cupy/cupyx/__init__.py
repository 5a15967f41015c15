"""The package `cupyx` of the mock CuPy."""
