"""Texts and other values that strangers write: reading, checking, comparing and showing them."""
