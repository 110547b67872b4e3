"""What can be wrong with an account, looked for one by one; nothing here places an order."""
