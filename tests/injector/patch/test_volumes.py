"""Volumes: names that Kubernetes takes, nothing that could keep a Pod from starting, a token only
for the sidecar.
"""

import re

import pytest

from pilotfish.injector.patch.settings import TOKEN_DIR, Sidecar
from pilotfish.injector.patch.volumes import mounts_for


def mounts(spec=None, **sidecar):
    return list(mounts_for(spec or {}, Sidecar(image="i", **sidecar)))


@pytest.mark.parametrize("name", ["keys", "my.keys", "a" * 253, "a." * 100 + "b", "x" * 44 + "-y"])
def test_any_secrets_name_gives_a_volumes_name(name):
    volume = mounts(secrets=(name,))[1].volume
    assert re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", volume["name"])
    assert volume["secret"]["secretName"] == name


def test_names_that_differ_only_in_dots_stay_apart():
    names = {m.volume["name"] for m in mounts(secrets=("a.b", "a-b"))}
    assert len(names) == 4


def test_what_may_be_missing_is_optional():
    for mount in mounts(secrets=("keys",), configmaps=("rules",), config_source="volume"):
        source = mount.volume.get("secret") or mount.volume.get("configMap")
        assert source is None or source["optional"] is True


def test_everything_but_the_state_is_read_only():
    assert [
        m.mount["mountPath"] for m in mounts(secrets=("keys",)) if not m.mount.get("readOnly")
    ] == ["/var/lib/pilotfish"]


def test_state_is_in_memory_so_that_the_autoscaler_may_move_the_pod():
    assert mounts()[0].volume["emptyDir"]["medium"] == "Memory"


def test_the_applications_token_volume_is_shared_where_it_has_one():
    spec = {
        "containers": [{"volumeMounts": [{"name": "kube-api-access-abc", "mountPath": TOKEN_DIR}]}]
    }
    assert [m.volume for m in mounts(spec)][1:] == [None]


def test_a_token_that_is_only_a_part_of_a_volume_is_not_shared():
    spec = {
        "containers": [{"volumeMounts": [{"name": "own", "mountPath": TOKEN_DIR, "subPath": "x"}]}]
    }
    assert mounts(spec)[1].volume["name"] == "pilotfish-token"


def test_rules_from_a_volume_need_no_token():
    assert TOKEN_DIR not in [
        m.mount["mountPath"] for m in mounts(configmaps=("rules",), config_source="volume")
    ]
