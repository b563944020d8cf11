"""The whole house: all wings in the order of their dependence, and the application that leads into them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from orthanclite.app.wiring.archive import archive_wing
from orthanclite.app.wiring.edit import edit_wing
from orthanclite.app.wiring.explorer import explorer_wing
from orthanclite.app.wiring.foundation import lay_foundation
from orthanclite.app.wiring.hooks import hooks_wing
from orthanclite.app.wiring.jobs import jobs_wing
from orthanclite.app.wiring.keeping.content import content_wing
from orthanclite.app.wiring.keeping.imaging import imaging_wing
from orthanclite.app.wiring.keeping.ingest import ingest_wing
from orthanclite.app.wiring.keeping.resources import resources_wing
from orthanclite.app.wiring.keeping.search import search_wing
from orthanclite.app.wiring.keeping.upkeep import upkeep_wing
from orthanclite.app.wiring.network.calling import calling_wing
from orthanclite.app.wiring.network.dicom import network_wing
from orthanclite.app.wiring.network.dicomweb import dicomweb_wing
from orthanclite.app.wiring.network.dicomweb_client import dicomweb_client_wing
from orthanclite.app.wiring.network.remotes import remotes_wing
from orthanclite.app.wiring.network.retrieve import retrieve_wing
from orthanclite.app.wiring.network.worklists import worklists_wing
from orthanclite.app.wiring.server import Lifecycle, server_wing
from orthanclite.config import Settings
from orthanclite.web.application import Application
from orthanclite.web.cross_origin import CrossOrigin
from orthanclite.web.policy import HttpPolicy

_MEGABYTE = 1 << 20


class House:
    """All services of one server. To be closed; serves between, within the lifespan of ``application``.

    :param lifecycle: what clients may ask for over REST
    :raises OrthancError: where the settings cannot be followed
    """

    def __init__(self, settings: Settings, lifecycle: Lifecycle) -> None:
        self.base = base = lay_foundation(settings)
        content = content_wing(base)
        imaging = imaging_wing(base, content)
        ingest = ingest_wing(base, imaging)
        search = search_wing(base, content)
        upkeep = upkeep_wing(base, content, ingest)
        resources = resources_wing(base, imaging, search, upkeep)
        jobs = jobs_wing(base)
        archive = archive_wing(base, imaging, jobs)
        worklists = worklists_wing(base, search)
        dicomweb = dicomweb_wing(
            base, content, imaging, ingest, search, resources, archive.archives, worklists.worklists
        )
        edit = edit_wing(base, content, imaging, ingest, upkeep, resources, jobs)
        remotes = remotes_wing(base, imaging, jobs)
        dicomweb_client = dicomweb_client_wing(base, ingest, jobs, remotes)
        calling = calling_wing(base, content, imaging, search, resources, jobs, remotes)
        network = network_wing(base, ingest, search, jobs, remotes, calling, worklists)
        retrieve = retrieve_wing(base, ingest, jobs, search, remotes, calling, network)
        hooks = hooks_wing(base, lambda: self.application.table)
        wings = (
            base,
            content,
            imaging,
            ingest,
            search,
            upkeep,
            resources,
            jobs,
            archive,
            dicomweb,
            edit,
            remotes,
            dicomweb_client,
            calling,
            worklists,
            network,
            retrieve,
            hooks,
        )
        additions = [wing.adds for wing in wings]
        additions.append(server_wing(base, content, jobs, lifecycle, additions).adds)
        if settings.http.explorer_enabled:
            additions.append(explorer_wing(base, worklists).adds)
        self._additions = additions
        self.dicom = network.dicom
        self.job_events = jobs.engine.events
        self.application = Application(
            [router for adds in additions for router in adds.routers],
            _policy(settings),
            base.metrics,
            self._live,
        )

    @asynccontextmanager
    async def _live(self, application: FastAPI) -> AsyncIterator[None]:
        """The lifespan of the application: the duties run, and DICOM is served if the settings say so."""
        for adds in self._additions:
            for duty in adds.duties:
                duty.start()
        if self.base.index.database.is_sqlite:
            self.base.index.database.reserve_reader()
        if self.base.settings.dicom.enabled:
            self.dicom.start()
        try:
            yield
        finally:
            await self.stop_serving()

    async def stop_serving(self) -> None:
        """Serve DICOM no more, and end the streams of events; what is under way gets its time to finish.

        May be called again.
        """
        self.job_events.close()
        await asyncio.to_thread(self.dicom.stop, GRACE)

    def close(self) -> None:
        """End everything in the order of dependence; what is acknowledged is durable already."""
        self.application.close()
        for adds in self._additions:
            for duty in adds.duties:
                duty.stop()
        for adds in reversed(self._additions):
            for end in adds.endings:
                end()


GRACE = 10.0
"""Seconds that requests and associations under way may take to finish."""


def _policy(settings: Settings) -> HttpPolicy:
    http, access = settings.http, settings.access
    return HttpPolicy(
        remote_access=access.remote_access,
        authentication=access.authentication_enabled,
        users=access.registered_users,
        allowed_hosts=frozenset(host.lower() for host in access.allowed_hosts),
        allowed_origins=frozenset(origin.lower() for origin in access.allowed_origins),
        cross_origin=_cross_origin(settings),
        get_method_override=http.get_method_override,
        read_only=settings.storage.read_only,
        describe_errors=http.describe_errors,
        compression=http.compression,
        keep_alive=http.keep_alive,
        keep_alive_timeout=http.keep_alive_timeout,
        request_timeout=float(http.request_timeout),
        maximum_body=http.maximum_body_mb * _MEGABYTE,
        threads=http.threads,
        quick=not settings.postgresql.enable_index,
    )


def _cross_origin(settings: Settings) -> CrossOrigin:
    """Which sites' pages may use DICOMweb."""
    section = settings.dicomweb
    paths = [section.root.rstrip("/")] if section.enabled else []
    if section.wado_enabled:
        paths.append(section.wado_root)
    return CrossOrigin(tuple(paths), frozenset(origin.lower() for origin in section.allowed_origins))
