"""What servers on one database share."""
