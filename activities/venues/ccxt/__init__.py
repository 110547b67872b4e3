"""Real venues behind the port `domain.ports.Venue`: ccxt signs and asks, one module per venue.

`venue.CcxtVenue` is the port, `quirks.Quirks` what a venue's module must tell. See
docs/adding-a-venue.md. Only workers/ may import it.
"""
