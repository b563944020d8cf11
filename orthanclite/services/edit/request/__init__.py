"""What a client says of a modification or an anonymisation, checked before anything is changed."""
