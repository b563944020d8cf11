"""What this server asks remote modalities for: queries, and the images that they find."""
