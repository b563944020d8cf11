"""What is inside a stored file: its bytes, its tags, its attachments, without decoding pixels."""
