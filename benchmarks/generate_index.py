"""Fills an index directly with studies whose values are distributed as in a hospital.

    python benchmarks/generate_index.py sqlite:////tmp/index.db 100000

Names follow a Zipf-like distribution, some with accents; dates cover fifteen years, more of them recent;
descriptions come from a vocabulary of modality, region and protocol; one patient has between one and a few
studies. Each study has one or two series of one instance. No files are written.
"""

from __future__ import annotations

import argparse
import datetime
import random
import time
from collections.abc import Iterator
from typing import Any

import orjson
from sqlalchemy import Connection, Table, insert, update

from orthanclite.core.identifiers import hierarchy
from orthanclite.core.levels import Level
from orthanclite.core.main_tags import MainTags, tag_key
from orthanclite.core.text.normalize import normalize
from orthanclite.index import schema
from orthanclite.index.database.engines import Database
from orthanclite.index.database.migrations import prepare
from orthanclite.index.search import trigrams  # noqa: F401

SURNAMES = (  # noqa: SIM905
    "Smith Dupont Müller García Rossi Silva Novák Kowalski Nguyen Yamada Jensen Lindström Öztürk "
    "Papadopoulos Ivanov O'Brien Peeters Janssens Maes Jacobs Mertens Willems Claes Goossens Wouters "
    "De_Smet Dubois Lambert Martin Simon Laurent Leclercq Noël Gérard Lefèvre Renard Michel Weber "
    "Schmidt Fischer Wagner Becker Hoffmann"
).split()
GIVEN = (  # noqa: SIM905
    "Anna Marie Jean Paul Peter Lucas Emma Louise Noah Arthur Jules Adam Léa Chloé Zoë Hugo Victor "
    "Nora Olivia Mohamed Elena Sofia Ingrid Bjørn Jürgen François Renée André Hélène Simone Thomas "
    "David Sarah Laura Nina"
).split()
MODALITIES = (
    ("CT", 25),
    ("MR", 20),
    ("CR", 15),
    ("DX", 14),
    ("US", 14),
    ("MG", 6),
    ("NM", 3),
    ("PT", 2),
    ("XA", 1),
)
REGIONS = (  # noqa: SIM905
    "ABDOMEN ANKLE BRAIN CERVICAL_SPINE CHEST COLON ELBOW FOOT HAND HEAD HEART HIP KIDNEY KNEE LIVER "
    "LUMBAR_SPINE NECK ORBITS PELVIS PROSTATE SHOULDER SINUS THORAX THYROID WHOLE_BODY WRIST"
).split()
PROTOCOLS = (  # noqa: SIM905
    "with contrast|without contrast|screening|follow-up|emergency|pre-operative|post-operative|"
    "low dose|angio|perfusion|dynamic|bilateral|routine|control|biopsy|guided puncture"
).split("|")

PLANES = ("AX", "SAG", "COR")
CONTRASTS = ("T1", "T2", "FLAIR", "Soft", "Bone", "Lung")


def choose(random: random.Random, values: list[str]) -> str:
    """One of ``values``, the first ones far more often."""
    return values[
        min(int(random.paretovariate(0.9)) - 1, len(values) - 1)
        if random.random() < 0.7
        else -1 - int(random.random() * len(values))
    ]


class Generator:
    """Rows of patients, studies, series and instances, the same for the same seed."""

    def __init__(self, seed: int = 1) -> None:
        self.random = random.Random(seed)
        self.signatures = MainTags.build().signatures
        self.modalities = [name for name, _ in MODALITIES]
        self.weights = [weight for _, weight in MODALITIES]
        self.first_day = datetime.date(2011, 1, 1)

    def patient(self, number: int) -> dict[int, str]:
        r = self.random
        birth = datetime.date(1930, 1, 1) + datetime.timedelta(days=int(r.random() * 33000))
        return {
            0x00100020: f"PID{number:07d}",
            0x00100010: f"{choose(r, SURNAMES).replace('_', ' ')}{number % 97 or ''}^{choose(r, GIVEN)}",
            0x00100030: birth.strftime("%Y%m%d"),
            0x00100040: r.choice("MF"),
        }

    def study(self, number: int, modality: str) -> dict[int, str]:
        r = self.random
        day = self.first_day + datetime.timedelta(days=int(5700 * max(r.random(), r.random())))
        region = choose(r, REGIONS).replace("_", " ")
        return {
            0x00080020: day.strftime("%Y%m%d"),
            0x00080030: f"{r.randrange(7, 20):02d}{r.randrange(60):02d}{r.randrange(60):02d}",
            0x00200010: str(number),
            0x00081030: f"{modality} {region.capitalize()} {r.choice(PROTOCOLS)}",
            0x00080050: f"A{number:08d}",
            0x0020000D: f"1.2.826.0.1.3680043.2.1143.{number}",
            0x00080090: f"{choose(r, SURNAMES)}^{choose(r, GIVEN)}",
            0x00080080: r.choice(("General Hospital", "St. Anna Clinic", "University Hospital")),
        }

    def series(self, study: dict[int, str], index: int, modality: str) -> dict[int, str]:
        r = self.random
        return {
            0x0020000E: f"{study[0x0020000D]}.{index}",
            0x00080060: modality,
            0x00200011: str(index),
            0x0008103E: f"{r.choice(PLANES)} {r.choice(CONTRASTS)}",
            0x00080021: study[0x00080020],
            0x00080070: r.choice(("SIEMENS", "GE MEDICAL SYSTEMS", "Philips")),
        }

    def studies(self, count: int) -> Iterator[tuple[dict[int, str], dict[int, str], list[dict[int, str]]]]:
        """Patient, study and series tags of ``count`` studies."""
        patient: dict[int, str] = {}
        patients = 0
        for number in range(1, count + 1):
            if not patient or self.random.random() < 0.6:
                patients += 1
                patient = self.patient(patients)
            modality = self.random.choices(self.modalities, self.weights)[0]
            study = self.study(number, modality)
            series = [self.series(study, 1, modality)]
            if self.random.random() < 0.2:
                series.append(self.series(study, 2, "SR" if self.random.random() < 0.5 else modality))
            yield patient, study, series


def columns(level: Level, tags: dict[int, str]) -> dict[str, str | None]:
    return {
        name: None if (value := tags.get(tag)) is None else normalize(value)
        for tag, name in schema.COLUMNS[level].items()
    }


def shown(tags: dict[int, str]) -> str:
    return orjson.dumps({tag_key(tag): value for tag, value in tags.items()}).decode()


class Filler:
    """Writes generated rows in large batches."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.rows: dict[Table, list[dict[str, Any]]] = {
            table: [] for table in (*schema.TABLES.values(), schema.attachments)
        }

    def add(self, table: Table, row: dict[str, Any]) -> None:
        self.rows[table].append(row)
        if len(self.rows[table]) >= 5000:
            self.flush()

    def flush(self) -> None:
        for table, rows in self.rows.items():
            if rows:
                self.connection.execute(insert(table), rows)
                rows.clear()


def fill(database: Database, count: int, seed: int = 1) -> None:
    """Add ``count`` studies to an empty index."""
    generator = Generator(seed)
    with database.engine().connect() as connection:
        connection.exec_driver_sql("BEGIN")
        for number, level in enumerate(Level, 1):
            connection.execute(insert(schema.signatures).values(id=number, value=generator.signatures[level]))
        counts = _fill(Filler(connection), generator, count)
        connection.execute(update(schema.totals).values(counts))
        connection.exec_driver_sql("COMMIT")
        if not database.is_sqlite:
            connection.exec_driver_sql("VACUUM ANALYZE")


def _fill(filler: Filler, generator: Generator, count: int) -> dict[str, int]:
    patients = series_count = 0
    last_patient = ""
    for number, (patient, study, all_series) in enumerate(generator.studies(count), 1):
        if patient[0x00100020] != last_patient:
            last_patient = patient[0x00100020]
            patients += 1
            ids = hierarchy(last_patient, "", "", "")
            filler.add(
                schema.patients,
                _dated(Level.PATIENT, patients, ids.patient, patient, number)
                | {"protected": False, "recycling_order": float(number)},
            )
        uid = study[0x0020000D]
        row = _dated(Level.STUDY, number, hierarchy(last_patient, uid, "", "").study, study, number)
        row |= columns(Level.PATIENT, patient) | {"parent": patients, "patient_tags": shown(patient)}
        names = sorted({series[0x00080060] for series in all_series})
        filler.add(schema.studies, row | {"modalities": "\\" + "\\".join(names) + "\\"})
        for series in all_series:
            series_count += 1
            _add_series(filler, series_count, number, last_patient, uid, series)
    filler.flush()
    size = 1000 * series_count
    return {
        "patients": patients,
        "studies": count,
        "series": series_count,
        "instances": series_count,
        "disk_size": size,
        "uncompressed_size": size,
    }


def _add_series(
    filler: Filler, number: int, study: int, patient_id: str, study_uid: str, tags: dict[int, str]
) -> None:
    uid = tags[0x0020000E]
    ids = hierarchy(patient_id, study_uid, uid, f"{uid}.1")
    filler.add(
        schema.series,
        _dated(Level.SERIES, number, ids.series, tags, study)
        | {"parent": study, "expected_instances": None, "sop_classes": "\\1.2.840.10008.5.1.4.1.1.7\\"},
    )
    instance = {0x00080018: f"{uid}.1", 0x00200013: "1"}
    filler.add(
        schema.instances,
        _shown(Level.INSTANCE, number, ids.instance, instance)
        | {"parent": number, "index_in_series": 1, "sop_class_uid": "1.2.840.10008.5.1.4.1.1.7"},
    )


def _shown(level: Level, key: int, public_id: str, tags: dict[int, str]) -> dict[str, Any]:
    row = {"id": key, "public_id": public_id, "tags": shown(tags), "meta": "{}", "signature": int(level)}
    return row | columns(level, tags)


def _dated(level: Level, key: int, public_id: str, tags: dict[int, str], moment: int) -> dict[str, Any]:
    date = datetime.datetime(2020, 1, 1) + datetime.timedelta(minutes=moment)
    return _shown(level, key, public_id, tags) | {
        "last_update": date.strftime("%Y%m%dT%H%M%S"),
        "unstable_since": None,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("url", help="SQLAlchemy URL of an empty database")
    parser.add_argument("studies", type=int)
    arguments = parser.parse_args()
    started = time.perf_counter()
    database = Database(arguments.url)
    prepare(database)
    fill(database, arguments.studies)
    print(f"{arguments.studies} studies in {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
