"""The upper layer (PS3.8): connections, PDUs and associations; all that touches the insides of pynetdicom."""
