"""The SQLAlchemy Core index: one schema for SQLite and PostgreSQL."""
