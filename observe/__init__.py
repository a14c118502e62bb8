"""Edge, inwards: files and clusters become documents."""
