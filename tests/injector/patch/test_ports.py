"""Ports move out of the application's way, but not from where someone put them."""

from pilotfish.injector.patch.annotations import Choices
from pilotfish.injector.patch.ports import Ports, ports_for
from pilotfish.injector.patch.settings import Sidecar


def ports(*declared, port=14000, admin_port=14001, **asked):
    spec = {"containers": [{"name": "app", "ports": [{"containerPort": p} for p in declared]}]}
    return ports_for(spec, Choices(Sidecar(image="i", port=port, admin_port=admin_port), **asked))


def test_free_ports_are_taken_as_they_are():
    assert ports(8080) == Ports(14000, 14001)


def test_each_moves_to_the_next_free_one_and_that_is_told():
    moved = ports(14000, 14002)
    assert (moved.port, moved.admin_port) == (14003, 14001)
    assert "declared by container app" in moved.warnings[0]


def test_two_defaults_that_are_the_same_do_not_collide():
    same = ports(port=9000, admin_port=9000)
    assert same.port != same.admin_port


def test_what_was_asked_for_is_kept_or_refused():
    assert ports(14001, port=9000, port_asked=True).port == 9000
    assert "declared by container app" in ports(9000, port=9000, port_asked=True)
    assert "asked for by both" in ports(
        port=9000, admin_port=9000, port_asked=True, admin_port_asked=True
    )


def test_a_pod_that_declares_every_port_leaves_none():
    assert ports(*range(1024, 65536)) == "the Pod's containers declare every port that there is"
    moved = ports(*range(2048, 65536))
    assert (moved.port, moved.admin_port) == (1024, 1025)


def test_ports_of_init_containers_count_since_native_sidecars_are_among_them():
    spec = {
        "containers": [],
        "initContainers": [{"name": "mesh", "ports": [{"containerPort": 14001}]}],
    }
    assert ports_for(spec, Choices(Sidecar(image="i"))).admin_port == 14002
