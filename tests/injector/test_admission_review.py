"""AdmissionReview in and out."""

import base64
import json

import pytest

from pilotfish.injector.admission_review import allowed, denied, read_review


def review(**request):
    request = {
        "uid": "u1",
        "kind": {"kind": "Pod"},
        "namespace": "shop",
        "operation": "CREATE",
        "object": {"metadata": {"name": "web"}},
        **request,
    }
    return read_review(
        json.dumps(
            {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
        ).encode()
    )


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b'{"request": null}',
        b'{"apiVersion": "v1", "request": {"uid": 1}}',
        b"\xff",
        b"[" * 10**5,
    ],
)
def test_anything_else_is_refused_with_what_was_expected(body):
    with pytest.raises(ValueError, match="expected an AdmissionReview"):
        read_review(body)


def test_a_deletion_has_no_object():
    assert review(operation="DELETE", object=None).object == {}


def test_a_pod_without_a_name_is_called_by_its_prefix():
    assert review(object={"metadata": {"generateName": "web-"}}).name == "web-*"
    assert review(object={}).name == "?*"
    assert review(object={"metadata": 3}).name == "?*"


def test_a_patch_is_base64_json():
    response = allowed(review(), [{"op": "add", "path": "/a", "value": 1}])["response"]
    assert json.loads(base64.b64decode(response["patch"])) == [
        {"op": "add", "path": "/a", "value": 1}
    ]
    assert (response["uid"], response["allowed"], response["patchType"]) == (
        "u1",
        True,
        "JSONPatch",
    )


def test_no_patch_is_no_field():
    assert allowed(review())["response"] == {"uid": "u1", "allowed": True}


def test_warnings_are_as_short_and_as_few_as_the_server_passes_on():
    warnings = allowed(review(), warnings=["x" * 1000] * 100)["response"]["warnings"]
    assert all(w.startswith("pilotfish: ") and len(w) <= 256 for w in warnings)
    assert sum(map(len, warnings)) <= 4096


def test_a_refusal_has_the_problems_in_its_message():
    assert denied(review(), "rules[0]: wrong")["response"]["status"]["message"] == "rules[0]: wrong"
