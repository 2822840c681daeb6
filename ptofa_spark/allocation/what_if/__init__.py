"""What a change of the demands would bring, without allocating again."""
