"""The port of a venue, a room for each topic: `venue.py` joins them."""
