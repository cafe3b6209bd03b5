"""Decisions: values and `now` in, values out. No socket, clock, file, random number or log; six
rooms in layers.

routing over rules and exchange over state over model over formats: a room imports from those below
it and from no other."""
