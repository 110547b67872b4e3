"""The local exchange in the venues' own words: REST and WebSocket dialects over the one host.

A front is strict, so that a client that works here has a chance to work there: it verifies
signatures, receive windows, ticks, lots and ids, refuses unknown parameters and answers unknown
endpoints with 404. What a venue does differently from the others is in its dialect.
"""
