"""Edge, outwards: hands artifacts to directories and devices."""
