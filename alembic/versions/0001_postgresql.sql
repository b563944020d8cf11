CREATE TABLE attachments (
    resource BIGINT NOT NULL,
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
);
CREATE INDEX ix_attachments_uuid ON attachments (uuid);
CREATE TABLE blob_journal (
    uuid TEXT NOT NULL,
    content BYTEA NOT NULL,
    CONSTRAINT pk_blob_journal PRIMARY KEY (uuid)
);
CREATE TABLE changes (
    seq BIGINT NOT NULL,
    type SMALLINT NOT NULL,
    level SMALLINT NOT NULL,
    resource BIGINT NOT NULL,
    public_id TEXT NOT NULL,
    date TEXT NOT NULL,
    CONSTRAINT pk_changes PRIMARY KEY (seq)
);
CREATE INDEX ix_changes_resource ON changes (resource, level);
CREATE TABLE exports (
    seq BIGINT NOT NULL,
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
    resource BIGINT NOT NULL,
    level SMALLINT NOT NULL,
    tag TEXT NOT NULL,
    value TEXT COLLATE "C" NOT NULL,
    CONSTRAINT pk_extra_tags PRIMARY KEY (resource, level, tag)
);
CREATE INDEX ix_extra_tags_value ON extra_tags (tag, value);
CREATE TABLE labels (
    resource BIGINT NOT NULL,
    level SMALLINT NOT NULL,
    label TEXT NOT NULL,
    CONSTRAINT pk_labels PRIMARY KEY (resource, level, label)
);
CREATE INDEX ix_labels_label ON labels (label, level, resource);
CREATE TABLE properties (
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    CONSTRAINT pk_properties PRIMARY KEY (name)
);
CREATE TABLE signatures (
    id SMALLSERIAL NOT NULL,
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
    resource BIGINT NOT NULL,
    level SMALLINT NOT NULL,
    type INTEGER NOT NULL,
    value TEXT NOT NULL,
    revision INTEGER NOT NULL,
    CONSTRAINT pk_user_metadata PRIMARY KEY (resource, level, type)
);
CREATE TABLE patients (
    id BIGSERIAL NOT NULL,
    public_id TEXT COLLATE "C" NOT NULL,
    tags TEXT NOT NULL,
    meta TEXT NOT NULL,
    signature SMALLINT NOT NULL,
    last_update TEXT COLLATE "C" NOT NULL,
    unstable_since FLOAT,
    protected BOOLEAN NOT NULL,
    recycling_order FLOAT NOT NULL,
    patient_id TEXT COLLATE "C",
    patient_name TEXT COLLATE "C",
    patient_birth_date TEXT COLLATE "C",
    patient_sex TEXT COLLATE "C",
    CONSTRAINT pk_patients PRIMARY KEY (id),
    CONSTRAINT uq_patients_public_id UNIQUE (public_id),
    CONSTRAINT fk_patients_signature FOREIGN KEY(signature) REFERENCES signatures (id)
);
CREATE INDEX ix_patients_patient_id ON patients (patient_id);
CREATE INDEX ix_patients_patient_name ON patients (patient_name);
CREATE INDEX ix_patients_recycling ON patients (recycling_order) WHERE protected IS false;
CREATE INDEX ix_patients_unstable ON patients (unstable_since) WHERE unstable_since IS NOT NULL;
CREATE TABLE studies (
    id BIGSERIAL NOT NULL,
    public_id TEXT COLLATE "C" NOT NULL,
    tags TEXT NOT NULL,
    meta TEXT NOT NULL,
    signature SMALLINT NOT NULL,
    parent BIGINT NOT NULL,
    last_update TEXT COLLATE "C" NOT NULL,
    unstable_since FLOAT,
    patient_tags TEXT NOT NULL,
    modalities TEXT NOT NULL,
    patient_id TEXT COLLATE "C",
    patient_name TEXT COLLATE "C",
    patient_birth_date TEXT COLLATE "C",
    patient_sex TEXT COLLATE "C",
    study_instance_uid TEXT COLLATE "C",
    study_date TEXT COLLATE "C",
    study_time TEXT COLLATE "C",
    study_id TEXT COLLATE "C",
    accession_number TEXT COLLATE "C",
    study_description TEXT COLLATE "C",
    referring_physician_name TEXT COLLATE "C",
    institution_name TEXT COLLATE "C",
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
    id BIGSERIAL NOT NULL,
    public_id TEXT COLLATE "C" NOT NULL,
    tags TEXT NOT NULL,
    meta TEXT NOT NULL,
    signature SMALLINT NOT NULL,
    parent BIGINT NOT NULL,
    last_update TEXT COLLATE "C" NOT NULL,
    unstable_since FLOAT,
    expected_instances INTEGER,
    sop_classes TEXT NOT NULL,
    series_instance_uid TEXT COLLATE "C",
    modality TEXT COLLATE "C",
    series_number TEXT COLLATE "C",
    series_description TEXT COLLATE "C",
    series_date TEXT COLLATE "C",
    series_time TEXT COLLATE "C",
    body_part_examined TEXT COLLATE "C",
    protocol_name TEXT COLLATE "C",
    station_name TEXT COLLATE "C",
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
    id BIGSERIAL NOT NULL,
    public_id TEXT COLLATE "C" NOT NULL,
    tags TEXT NOT NULL,
    meta TEXT NOT NULL,
    signature SMALLINT NOT NULL,
    parent BIGINT NOT NULL,
    index_in_series INTEGER,
    sop_class_uid TEXT NOT NULL,
    sop_instance_uid TEXT COLLATE "C",
    instance_number TEXT COLLATE "C",
    CONSTRAINT pk_instances PRIMARY KEY (id),
    CONSTRAINT uq_instances_public_id UNIQUE (public_id),
    CONSTRAINT fk_instances_signature FOREIGN KEY(signature) REFERENCES signatures (id),
    CONSTRAINT fk_instances_parent FOREIGN KEY(parent) REFERENCES series (id)
);
CREATE INDEX ix_instances_parent ON instances (parent);
CREATE INDEX ix_instances_sop_instance_uid ON instances (sop_instance_uid);
