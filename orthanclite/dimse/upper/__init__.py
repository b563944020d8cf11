"""The upper layer (PS3.8): connections, PDUs and associations of both roles."""
