"""What this server asks of its peers (SCU): C-ECHO, C-FIND, C-MOVE, C-GET, C-STORE, storage commitment.

Nothing is here yet. Each will be a module that speaks over an association of ``upper`` which this server
requested; ``scp`` reaches it through a protocol only (C-MOVE sends what it finds over such an association).
"""
