"""The crash lab of pairs: two legs on two exchanges, which are processes that can be killed too."""
