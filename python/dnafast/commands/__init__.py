"""What ``dnafast COMMAND`` does besides the bench, a module for each."""
