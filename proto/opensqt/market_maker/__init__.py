"""The market maker: its schemas by version."""
