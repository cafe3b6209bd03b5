"""Secrets where they lie, and what happens to them while the program runs."""

from __future__ import annotations

import os

import pytest

from pilotfish.core.model.service import SecretRef
from pilotfish.credentials.keys import CredentialError
from pilotfish.credentials.secrets import Secret, path_of, secret_of


def mounted(context, tmp_path, version: str, value: str) -> None:
    """Writes a Secret as kubelet does: a folder per version, a link to the present one swapped in a
    single step.
    """
    root = tmp_path / "secrets" / "llm-keys"
    (root / version).mkdir(parents=True)
    (root / version / "openai").write_text(value)
    link = root / "..data.new"
    link.symlink_to(version)
    os.replace(link, root / "..data")
    key = root / "openai"
    if not key.is_symlink():
        key.symlink_to("..data/openai")


def test_a_secret_that_is_not_there_is_named_without_a_guess_at_its_value(context):
    secret = Secret(SecretRef("secret", "llm-keys", "openai"), context)
    assert secret.value() == ""
    assert str(secret.missing()).startswith("secret llm-keys/openai (")
    assert (
        str(Secret(SecretRef("env", "NOPE"), context).missing())
        == "environment variable NOPE is missing or empty"
    )


@pytest.mark.parametrize(
    ("name", "key"),
    [("..", "x"), ("a", "../../etc/passwd"), ("a/b", "c"), ("", "x"), ("a", "x\0y")],
)
def test_a_reference_cannot_lead_out_of_the_folder_of_secrets(name, key):
    with pytest.raises(CredentialError, match="no slashes"):
        path_of(SecretRef("secret", name, key), "/secrets")


def test_a_mounted_secret_is_read_anew_when_kubelet_swaps_it(context, tmp_path):
    mounted(context, tmp_path, "v1", "hush-old\n")
    secret = Secret(SecretRef("secret", "llm-keys", "openai"), context)
    assert secret.value() == "hush-old"
    mounted(context, tmp_path, "v2", "hush-new\n")
    assert secret.value() == "hush-new"
    assert secret.revision == 2


def test_a_secret_mounted_later_is_found(context, tmp_path):
    secret = Secret(SecretRef("secret", "llm-keys", "openai"), context)
    assert secret.value() == ""
    mounted(context, tmp_path, "v1", "hush-key")
    assert secret.value() == "hush-key"


def test_a_file_that_is_gone_or_empty_for_a_moment_takes_nothing_away(context, tmp_path):
    file = tmp_path / "key"
    file.write_text("hush-key")
    secret = Secret(SecretRef("file", str(file)), context)
    assert secret.value() == "hush-key"
    file.write_text("")
    assert secret.value() == "hush-key"
    file.unlink()
    assert secret.value() == "hush-key"


def test_a_reread_tells_whether_the_value_changed(context, tmp_path):
    file = tmp_path / "key"
    file.write_text("hush-a")
    secret = Secret(SecretRef("file", str(file)), context)
    assert secret.value() == "hush-a"
    assert not secret.reread()
    file.write_text("hush-b")
    assert secret.reread()


def test_environment_and_literals(context):
    context.environ["KEY"] = " hush-from-env \n"
    assert Secret(SecretRef("env", "KEY"), context).value() == "hush-from-env"
    literal = secret_of("hush-plain", context)
    assert literal is not None
    assert literal.value() == "hush-plain"
    assert not literal.reread()
    assert secret_of(None, context) is None
    assert secret_of("", context) is None


def test_a_secret_does_not_show_its_value(context):
    assert "hush" not in repr(secret_of("hush", context))
    assert "hush" not in repr(SecretRef("literal", value="hush"))
