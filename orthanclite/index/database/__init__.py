"""The database below the index: engines, connections, transactions, migrations."""
