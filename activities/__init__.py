"""The only code that touches the outside world: venues, the store, alerts."""
