"""OKX: swaps and spot at the same endpoints, answers that carry a code per row."""

from workers.exchange.fronts.okx.dialect import Okx

__all__ = ["Okx"]
