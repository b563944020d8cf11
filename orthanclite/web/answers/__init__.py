"""Answers: whole or streamed, ranges of them, compressed, under conditions, in a negotiated form."""
