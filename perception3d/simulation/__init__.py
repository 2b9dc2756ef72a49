"""A procedural street world and its sensors, written in the public data formats (needs the extra `simulation`)."""
