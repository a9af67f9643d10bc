"""What the actions of several families share."""
