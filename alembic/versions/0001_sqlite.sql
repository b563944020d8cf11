CREATE TABLE attachments (
    resource INTEGER NOT NULL,
    level SMALLINT NOT NULL,
    type INTEGER NOT NULL,
    uuid TEXT NOT NULL,
    size BIGINT NOT NULL,
    md5 TEXT NOT NULL,
    stored_size BIGINT NOT NULL,
    stored_md5 TEXT NOT NULL,
    compressed BOOLEAN NOT NULL,
    revision INTEGER NOT NULL,
    CONSTRAINT pk_attachments PRIMARY KEY (resource, level, type)
)
 WITHOUT ROWID;
CREATE INDEX ix_attachments_uuid ON attachments (uuid);
CREATE TABLE blob_journal (
    uuid TEXT NOT NULL,
    content BLOB NOT NULL,
    CONSTRAINT pk_blob_journal PRIMARY KEY (uuid)
);
CREATE TABLE changes (
    seq INTEGER NOT NULL,
    type SMALLINT NOT NULL,
    level SMALLINT NOT NULL,
    resource INTEGER NOT NULL,
    public_id TEXT NOT NULL,
    date TEXT NOT NULL,
    CONSTRAINT pk_changes PRIMARY KEY (seq)
);
CREATE INDEX ix_changes_resource ON changes (resource, level);
CREATE TABLE exports (
    seq INTEGER NOT NULL,
    level SMALLINT NOT NULL,
    public_id TEXT NOT NULL,
    remote_modality TEXT NOT NULL,
    date TEXT NOT NULL,
    patient_id TEXT NOT NULL,
    study_uid TEXT NOT NULL,
    series_uid TEXT NOT NULL,
    sop_uid TEXT NOT NULL,
    CONSTRAINT pk_exports PRIMARY KEY (seq)
);
CREATE TABLE extra_tags (
    resource INTEGER NOT NULL,
    level SMALLINT NOT NULL,
    tag TEXT NOT NULL,
    value TEXT NOT NULL,
    CONSTRAINT pk_extra_tags PRIMARY KEY (resource, level, tag)
)
 WITHOUT ROWID;
CREATE INDEX ix_extra_tags_value ON extra_tags (tag, value);
CREATE TABLE labels (
    resource INTEGER NOT NULL,
    level SMALLINT NOT NULL,
    label TEXT NOT NULL,
    CONSTRAINT pk_labels PRIMARY KEY (resource, level, label)
)
 WITHOUT ROWID;
CREATE INDEX ix_labels_label ON labels (label, level, resource);
CREATE TABLE properties (
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    CONSTRAINT pk_properties PRIMARY KEY (name)
);
CREATE TABLE signatures (
    id INTEGER NOT NULL,
    value TEXT NOT NULL,
    CONSTRAINT pk_signatures PRIMARY KEY (id),
    CONSTRAINT uq_signatures_value UNIQUE (value)
);
CREATE TABLE totals (
    id INTEGER NOT NULL,
    patients BIGINT NOT NULL,
    studies BIGINT NOT NULL,
    series BIGINT NOT NULL,
    instances BIGINT NOT NULL,
    disk_size BIGINT NOT NULL,
    uncompressed_size BIGINT NOT NULL,
    last_change BIGINT NOT NULL,
    last_export BIGINT NOT NULL,
    CONSTRAINT pk_totals PRIMARY KEY (id)
);
CREATE TABLE user_metadata (
    resource INTEGER NOT NULL,
    level SMALLINT NOT NULL,
    type INTEGER NOT NULL,
    value TEXT NOT NULL,
    revision INTEGER NOT NULL,
    CONSTRAINT pk_user_metadata PRIMARY KEY (resource, level, type)
)
 WITHOUT ROWID;
CREATE TABLE patients (
    id INTEGER NOT NULL,
    public_id TEXT NOT NULL,
    tags TEXT NOT NULL,
    meta TEXT NOT NULL,
    signature SMALLINT NOT NULL,
    last_update TEXT NOT NULL,
    unstable_since FLOAT,
    protected BOOLEAN NOT NULL,
    recycling_order FLOAT NOT NULL,
    patient_id TEXT,
    patient_name TEXT,
    patient_birth_date TEXT,
    patient_sex TEXT,
    CONSTRAINT pk_patients PRIMARY KEY (id),
    CONSTRAINT uq_patients_public_id UNIQUE (public_id),
    CONSTRAINT fk_patients_signature FOREIGN KEY(signature) REFERENCES signatures (id)
);
CREATE INDEX ix_patients_patient_id ON patients (patient_id);
CREATE INDEX ix_patients_patient_name ON patients (patient_name);
CREATE INDEX ix_patients_recycling ON patients (recycling_order) WHERE protected IS 0;
CREATE INDEX ix_patients_unstable ON patients (unstable_since) WHERE unstable_since IS NOT NULL;
CREATE TABLE studies (
    id INTEGER NOT NULL,
    public_id TEXT NOT NULL,
    tags TEXT NOT NULL,
    meta TEXT NOT NULL,
    signature SMALLINT NOT NULL,
    parent INTEGER NOT NULL,
    last_update TEXT NOT NULL,
    unstable_since FLOAT,
    patient_tags TEXT NOT NULL,
    modalities TEXT NOT NULL,
    patient_id TEXT,
    patient_name TEXT,
    patient_birth_date TEXT,
    patient_sex TEXT,
    study_instance_uid TEXT,
    study_date TEXT,
    study_time TEXT,
    study_id TEXT,
    accession_number TEXT,
    study_description TEXT,
    referring_physician_name TEXT,
    institution_name TEXT,
    CONSTRAINT pk_studies PRIMARY KEY (id),
    CONSTRAINT uq_studies_public_id UNIQUE (public_id),
    CONSTRAINT fk_studies_signature FOREIGN KEY(signature) REFERENCES signatures (id),
    CONSTRAINT fk_studies_parent FOREIGN KEY(parent) REFERENCES patients (id)
);
CREATE INDEX ix_studies_accession_number ON studies (accession_number);
CREATE INDEX ix_studies_last_update_public_id ON studies (last_update, public_id);
CREATE INDEX ix_studies_parent ON studies (parent);
CREATE INDEX ix_studies_patient_id ON studies (patient_id);
CREATE INDEX ix_studies_patient_name ON studies (patient_name);
CREATE INDEX ix_studies_study_date_public_id_modalities ON studies (study_date, public_id, modalities);
CREATE INDEX ix_studies_study_description ON studies (study_description);
CREATE INDEX ix_studies_study_instance_uid ON studies (study_instance_uid);
CREATE INDEX ix_studies_unstable ON studies (unstable_since) WHERE unstable_since IS NOT NULL;
CREATE TABLE series (
    id INTEGER NOT NULL,
    public_id TEXT NOT NULL,
    tags TEXT NOT NULL,
    meta TEXT NOT NULL,
    signature SMALLINT NOT NULL,
    parent INTEGER NOT NULL,
    last_update TEXT NOT NULL,
    unstable_since FLOAT,
    expected_instances INTEGER,
    sop_classes TEXT NOT NULL,
    series_instance_uid TEXT,
    modality TEXT,
    series_number TEXT,
    series_description TEXT,
    series_date TEXT,
    series_time TEXT,
    body_part_examined TEXT,
    protocol_name TEXT,
    station_name TEXT,
    CONSTRAINT pk_series PRIMARY KEY (id),
    CONSTRAINT uq_series_public_id UNIQUE (public_id),
    CONSTRAINT fk_series_signature FOREIGN KEY(signature) REFERENCES signatures (id),
    CONSTRAINT fk_series_parent FOREIGN KEY(parent) REFERENCES studies (id)
);
CREATE INDEX ix_series_modality ON series (modality);
CREATE INDEX ix_series_parent ON series (parent);
CREATE INDEX ix_series_series_instance_uid ON series (series_instance_uid);
CREATE INDEX ix_series_unstable ON series (unstable_since) WHERE unstable_since IS NOT NULL;
CREATE TABLE instances (
    id INTEGER NOT NULL,
    public_id TEXT NOT NULL,
    tags TEXT NOT NULL,
    meta TEXT NOT NULL,
    signature SMALLINT NOT NULL,
    parent INTEGER NOT NULL,
    index_in_series INTEGER,
    sop_class_uid TEXT NOT NULL,
    sop_instance_uid TEXT,
    instance_number TEXT,
    CONSTRAINT pk_instances PRIMARY KEY (id),
    CONSTRAINT uq_instances_public_id UNIQUE (public_id),
    CONSTRAINT fk_instances_signature FOREIGN KEY(signature) REFERENCES signatures (id),
    CONSTRAINT fk_instances_parent FOREIGN KEY(parent) REFERENCES series (id)
);
CREATE INDEX ix_instances_parent ON instances (parent);
CREATE INDEX ix_instances_sop_instance_uid ON instances (sop_instance_uid);
CREATE VIRTUAL TABLE patients_trigrams USING fts5(patient_name, patient_id, content='', tokenize='trigram case_sensitive 1');
CREATE TRIGGER patients_trigrams_insert AFTER INSERT ON patients BEGIN INSERT INTO patients_trigrams (rowid, patient_name, patient_id) VALUES (new.id, new.patient_name, new.patient_id); END;
CREATE TRIGGER patients_trigrams_delete AFTER DELETE ON patients BEGIN INSERT INTO patients_trigrams (patients_trigrams, rowid, patient_name, patient_id) VALUES ('delete', old.id, old.patient_name, old.patient_id); END;
CREATE TRIGGER patients_trigrams_update AFTER UPDATE OF patient_name, patient_id ON patients WHEN old.patient_name IS NOT new.patient_name OR old.patient_id IS NOT new.patient_id BEGIN INSERT INTO patients_trigrams (patients_trigrams, rowid, patient_name, patient_id) VALUES ('delete', old.id, old.patient_name, old.patient_id); INSERT INTO patients_trigrams (rowid, patient_name, patient_id) VALUES (new.id, new.patient_name, new.patient_id); END;
CREATE VIRTUAL TABLE studies_trigrams USING fts5(patient_name, patient_id, accession_number, study_description, referring_physician_name, modalities, content='', tokenize='trigram case_sensitive 1');
CREATE TRIGGER studies_trigrams_insert AFTER INSERT ON studies BEGIN INSERT INTO studies_trigrams (rowid, patient_name, patient_id, accession_number, study_description, referring_physician_name, modalities) VALUES (new.id, new.patient_name, new.patient_id, new.accession_number, new.study_description, new.referring_physician_name, new.modalities); END;
CREATE TRIGGER studies_trigrams_delete AFTER DELETE ON studies BEGIN INSERT INTO studies_trigrams (studies_trigrams, rowid, patient_name, patient_id, accession_number, study_description, referring_physician_name, modalities) VALUES ('delete', old.id, old.patient_name, old.patient_id, old.accession_number, old.study_description, old.referring_physician_name, old.modalities); END;
CREATE TRIGGER studies_trigrams_update AFTER UPDATE OF patient_name, patient_id, accession_number, study_description, referring_physician_name, modalities ON studies WHEN old.patient_name IS NOT new.patient_name OR old.patient_id IS NOT new.patient_id OR old.accession_number IS NOT new.accession_number OR old.study_description IS NOT new.study_description OR old.referring_physician_name IS NOT new.referring_physician_name OR old.modalities IS NOT new.modalities BEGIN INSERT INTO studies_trigrams (studies_trigrams, rowid, patient_name, patient_id, accession_number, study_description, referring_physician_name, modalities) VALUES ('delete', old.id, old.patient_name, old.patient_id, old.accession_number, old.study_description, old.referring_physician_name, old.modalities); INSERT INTO studies_trigrams (rowid, patient_name, patient_id, accession_number, study_description, referring_physician_name, modalities) VALUES (new.id, new.patient_name, new.patient_id, new.accession_number, new.study_description, new.referring_physician_name, new.modalities); END;
CREATE VIRTUAL TABLE series_trigrams USING fts5(series_description, content='', tokenize='trigram case_sensitive 1');
CREATE TRIGGER series_trigrams_insert AFTER INSERT ON series BEGIN INSERT INTO series_trigrams (rowid, series_description) VALUES (new.id, new.series_description); END;
CREATE TRIGGER series_trigrams_delete AFTER DELETE ON series BEGIN INSERT INTO series_trigrams (series_trigrams, rowid, series_description) VALUES ('delete', old.id, old.series_description); END;
CREATE TRIGGER series_trigrams_update AFTER UPDATE OF series_description ON series WHEN old.series_description IS NOT new.series_description BEGIN INSERT INTO series_trigrams (series_trigrams, rowid, series_description) VALUES ('delete', old.id, old.series_description); INSERT INTO series_trigrams (rowid, series_description) VALUES (new.id, new.series_description); END;
