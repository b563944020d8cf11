"""alembic's environment: the connection and its transaction are given by ``index.migrations``."""

from alembic import context

from orthanclite.index.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=False,
)
context.run_migrations()
