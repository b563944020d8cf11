"""Who is let in, who is sent away, and at which stage (compared with the reference, see the module)."""

from __future__ import annotations

import pytest
from pynetdicom.association import Association
from pynetdicom.sop_class import CTImageStorage

from orthanclite.core.remotes.registry import Modality
from orthanclite.dimse.options import DicomServerOptions
from orthanclite.dimse.peer import Peer, plain_ip
from orthanclite.dimse.permissions import Permissions
from orthanclite.dimse.service import Service
from tests.dimse.conftest import StartServer
from tests.dimse.support import CT, ECHO, ct, eventually

KNOWN = Modality("KNOWN", "127.0.0.1", 104)
LIMITED = Modality("LIMITED", "127.0.0.1", 104, allow_echo=False, allow_store=False)
ELSEWHERE = Modality("ELSEWHERE", "192.0.2.7", 104)
MODALITIES = [KNOWN, LIMITED, ELSEWHERE]
NOTHING = frozenset[Service]()


def refusal(association: Association) -> tuple[int, int, int] | None:
    """Result, source and reason of a rejection."""
    if not association.is_rejected:
        return None
    answer = association.acceptor.primitive
    assert answer is not None
    return answer.result, answer.result_source, answer.diagnostic  # type: ignore[return-value]


def test_anybody_may_echo_and_store_by_default(start: StartServer) -> None:
    site = start()
    with site.associate(ECHO, CT, aet="STRANGER", called="WHATEVER") as association:
        assert association.send_c_echo().Status == 0x0000
        assert association.send_c_store(ct()).Status == 0x0000


def test_the_called_aet_is_checked_when_asked_to(start: StartServer) -> None:
    site = start(check_called_aet=True)
    with site.associate(called="OTHER") as association:
        assert refusal(association) == (1, 1, 7)
    with site.associate(called="orthanc ") as association:
        assert association.is_established
    strict = start(check_called_aet=True, strict_aet=True)
    with strict.associate(called="orthanc") as association:
        assert refusal(association) == (1, 1, 7)


def test_strangers_are_rejected_where_nothing_is_open_to_all(start: StartServer) -> None:
    site = start(MODALITIES, always_allow=NOTHING)
    with site.associate(aet="STRANGER") as association:
        assert refusal(association) == (1, 1, 3)
    with site.associate(aet="known") as association:
        assert association.send_c_echo().Status == 0x0000


def test_what_a_modality_may_not_do_aborts_the_association(start: StartServer) -> None:
    site = start(MODALITIES, always_allow=NOTHING)
    with site.associate(ECHO, aet="LIMITED") as association:
        assert association.is_established
        assert "Status" not in association.send_c_echo()
        assert eventually(lambda: association.is_aborted)
    with site.associate(CT, aet="LIMITED") as association:
        assert "Status" not in association.send_c_store(ct())
        assert eventually(lambda: association.is_aborted)
    assert site.instances() == []
    assert not site.is_alive()  # as TESTER, a stranger
    with site.associate(aet="KNOWN") as association:
        assert association.send_c_echo().Status == 0x0000


def test_what_one_of_several_modalities_may_not_do_is_refused() -> None:
    """Two entries with one AET: release 1.13 allows what both allow."""
    loopback = Peer("TWICE", "127.0.0.1", "ORTHANC")
    entries = [
        Modality("TWICE", "127.0.0.1", 104, allow_find=False),
        Modality("twice", "127.0.0.1", 105, allow_store=False),
        Modality("OTHER", "127.0.0.1", 106, allow_echo=False),
    ]

    def rights(**options: object) -> frozenset[Service] | None:
        always = options.pop("always_allow", NOTHING)
        chosen = DicomServerOptions(always_allow=always, **options)  # type: ignore[arg-type]
        return Permissions(chosen, lambda: entries).rights(loopback)

    granted = rights()
    assert granted is not None
    assert Service.ECHO in granted
    assert not granted & {Service.FIND, Service.STORE}
    assert Service.FIND in (rights(always_allow=frozenset({Service.FIND})) or ())
    strict = rights(strict_aet=True)
    assert strict is not None
    assert Service.STORE in strict
    assert Service.FIND not in strict


def test_what_is_open_to_all_is_open_to_listed_modalities(start: StartServer) -> None:
    site = start(MODALITIES)
    with site.associate(ECHO, CT, aet="LIMITED") as association:
        assert association.send_c_echo().Status == 0x0000
        assert association.send_c_store(ct()).Status == 0x0000


def test_hosts_are_checked_when_asked_to(start: StartServer) -> None:
    site = start(MODALITIES, always_allow=NOTHING, check_modality_host=True)
    with site.associate(aet="ELSEWHERE") as association:
        assert refusal(association) == (1, 1, 3)
    with site.associate(aet="KNOWN") as association:
        assert association.send_c_echo().Status == 0x0000
    careless = start(MODALITIES, always_allow=NOTHING)
    with careless.associate(aet="ELSEWHERE") as association:
        assert association.send_c_echo().Status == 0x0000


def test_modalities_are_looked_up_anew_for_each_association() -> None:
    modalities = [LIMITED]
    permissions = Permissions(DicomServerOptions(always_allow=NOTHING), lambda: modalities)
    peer = Peer("LIMITED", "127.0.0.1", "ORTHANC")
    before = permissions.rights(peer)
    assert before is not None
    assert Service.STORE not in before
    modalities[:] = [Modality("LIMITED", "127.0.0.1", 104)]
    assert permissions.rights(peer) == frozenset(Service)
    modalities.clear()
    assert permissions.rights(peer) is None


def test_an_association_keeps_the_rights_that_it_began_with(start: StartServer) -> None:
    modalities = [KNOWN]
    site = start(modalities, always_allow=NOTHING)
    with site.associate(ECHO, CT, aet="KNOWN") as association:
        modalities[:] = [Modality("KNOWN", "127.0.0.1", 104, allow_store=False)]
        assert association.send_c_store(ct()).Status == 0x0000
    with site.associate(ECHO, CT, aet="KNOWN") as association:
        assert "Status" not in association.send_c_store(ct())


def test_the_entry_of_the_host_that_calls_counts() -> None:
    options = DicomServerOptions(always_allow=NOTHING, check_modality_host=True)
    modalities = [
        Modality("A", "192.0.2.7", 1, allow_move=False),
        Modality("A", "localhost", 1, allow_store=False),
    ]
    permissions = Permissions(options, lambda: modalities)
    here, elsewhere = (permissions.rights(Peer("A", ip, "B")) for ip in ("127.0.0.1", "192.0.2.7"))
    assert here == frozenset(Service) - {Service.STORE}
    assert elsewhere == frozenset(Service) - {Service.MOVE}
    assert permissions.rights(Peer("A", "192.0.2.8", "B")) is None
    both = Permissions(DicomServerOptions(always_allow=NOTHING), lambda: modalities)
    expected = frozenset(Service) - {Service.STORE, Service.MOVE}
    assert both.rights(Peer("a", "192.0.2.8", "B")) == expected


def test_ipv4_addresses_within_ipv6() -> None:
    assert plain_ip("::ffff:192.0.2.7") == "192.0.2.7"
    assert plain_ip("2001:db8::1") == "2001:db8::1"
    assert plain_ip("not an address") == "not an address"


@pytest.mark.parametrize("service", list(Service))
def test_each_service_has_its_flag(service: Service) -> None:
    assert service.allowed_to(KNOWN)


def test_more_associations_than_allowed_are_rejected_for_now(start: StartServer) -> None:
    site = start(maximum_associations=2, maximum_associations_per_host=2)
    with site.associate() as first, site.associate() as second:
        assert first.is_established
        assert second.is_established
        with site.associate(str(CTImageStorage)) as third:
            assert refusal(third) == (2, 3, 2)
    assert eventually(site.is_alive)
