"""What this server asks of its peers (SCU), over associations of ``upper`` that it requests.

``client`` is what the rest of the server sees of it (``services/remotes/client.py``).
"""
