CREATE TABLE jobs (
    id TEXT NOT NULL,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    priority BIGINT NOT NULL,
    permissive BOOLEAN NOT NULL,
    created FLOAT NOT NULL,
    completed FLOAT,
    due FLOAT NOT NULL,
    progress FLOAT NOT NULL,
    runtime FLOAT NOT NULL,
    server BIGINT NOT NULL,
    attempt INTEGER NOT NULL,
    retries INTEGER NOT NULL,
    wish TEXT NOT NULL,
    parameters TEXT NOT NULL,
    saved TEXT,
    content TEXT NOT NULL,
    user_data TEXT,
    error INTEGER NOT NULL,
    error_details TEXT NOT NULL,
    error_payload TEXT,
    CONSTRAINT pk_jobs PRIMARY KEY (id)
);
CREATE INDEX ix_jobs_state ON jobs (state, priority, created);
CREATE INDEX ix_jobs_completed ON jobs (completed);
CREATE TABLE job_outputs (
    job TEXT NOT NULL,
    "key" TEXT NOT NULL,
    uuid TEXT NOT NULL,
    size BIGINT NOT NULL,
    media_type TEXT NOT NULL,
    filename TEXT NOT NULL,
    created FLOAT NOT NULL,
    CONSTRAINT pk_job_outputs PRIMARY KEY (job, "key")
);
CREATE INDEX ix_job_outputs_uuid ON job_outputs (uuid);
