"""Decisions: values and `now` in, values out. No socket, clock, file, random number or log.

Six packages in layers: `routing` over `rules` and `exchange` over `state` over `model` over
`formats`. A package imports from those below it and from no other.
"""
