"""Decisions. Values and `now` in, values out: nothing here opens a socket, reads a clock, draws a random number or logs."""
