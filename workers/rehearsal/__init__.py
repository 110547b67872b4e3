"""What the market monitor would have done on recorded candles, and what that would have changed."""
