"""Venues behind the port `domain.ports.Venue`. Only workers/ may import them."""
