CREATE TABLE remote_queries (
    id TEXT NOT NULL,
    modality TEXT NOT NULL,
    level SMALLINT NOT NULL,
    tags TEXT NOT NULL,
    local_aet TEXT NOT NULL,
    count INTEGER NOT NULL,
    size BIGINT NOT NULL,
    created FLOAT NOT NULL,
    used FLOAT NOT NULL,
    CONSTRAINT pk_remote_queries PRIMARY KEY (id)
);
CREATE TABLE remote_answers (
    query TEXT NOT NULL,
    position INTEGER NOT NULL,
    data BLOB NOT NULL,
    CONSTRAINT pk_remote_answers PRIMARY KEY (query, position)
);
