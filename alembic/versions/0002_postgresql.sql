ALTER TABLE blob_journal ADD COLUMN owner BIGINT DEFAULT 0 NOT NULL;
CREATE TABLE servers (
    id BIGSERIAL NOT NULL,
    name TEXT NOT NULL,
    started FLOAT NOT NULL,
    last_seen FLOAT NOT NULL,
    CONSTRAINT pk_servers PRIMARY KEY (id)
);
CREATE TABLE leases (
    duty TEXT NOT NULL,
    holder BIGINT NOT NULL,
    expires FLOAT NOT NULL,
    CONSTRAINT pk_leases PRIMARY KEY (duty)
);
CREATE TABLE registry (
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    CONSTRAINT pk_registry PRIMARY KEY (kind, name)
);
CREATE TABLE runtime_settings (
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    CONSTRAINT pk_runtime_settings PRIMARY KEY (name)
);
