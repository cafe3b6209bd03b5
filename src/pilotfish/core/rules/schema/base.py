"""Types of names and numbers, the base of all models, and references to secrets."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Percent = Annotated[float, Field(ge=0, le=100)]
Count = Annotated[int, Field(ge=1)]
# Names stand in headers (`x-pilotfish-rule`), metrics and addresses (`provider/model`), so they are
# printable ASCII.
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[!-~]([ -~]*[!-~])?$")]
ProviderName = Annotated[
    str, Field(min_length=1, max_length=100, pattern=r"^[!-.0-~]([ -.0-~]*[!-.0-~])?$")
]
ScenarioName = Annotated[
    str, Field(min_length=1, max_length=100, pattern=r"^[A-Za-z][A-Za-z0-9_.-]*$")
]
# A file of the proxy's own: rules must not name one elsewhere for it to write.
StateFileName = Annotated[
    str, Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")
]
Reason = Literal["context_length", "content_policy"]


class Spec(BaseModel):
    """Base of all models: unknown keys are problems, and text is not taken as a number."""

    # defer_build: the validator of `RulesFile` includes those of all other models, which are rarely
    # used alone.
    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, hide_input_in_errors=True, defer_build=True
    )

    @model_validator(mode="before")
    @classmethod
    def _absent(cls, data: Any) -> Any:
        """Leaves out keys without a value (`rules:`), which are treated as absent."""
        if not isinstance(data, dict):
            return data
        return {k: v for k, v in data.items() if v is not None or k not in cls.model_fields}


def union_tag(value: object) -> str:
    """The tag of the unions that take either an object or text."""
    return "text" if isinstance(value, str) else "object"


class MountedSecret(Spec):
    name: str = Field(
        min_length=1, description="name of the Secret, mounted below `PILOTFISH_SECRETS_DIR`"
    )
    key: str = Field(min_length=1, description="key inside the Secret")


class SecretSource(Spec):
    """Where a secret is; exactly one of the three."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    env: str | None = Field(
        default=None, min_length=1, description="name of an environment variable"
    )
    file: str | None = Field(
        default=None, min_length=1, description="path of a file, read again when it changes"
    )
    secret: MountedSecret | None = Field(
        default=None, description="a mounted Kubernetes Secret, read again when it changes"
    )


# The literal form is refused unless inline secrets are allowed.
Secret = Annotated[
    Annotated[SecretSource, Tag("object")] | Annotated[str, Tag("text"), Field(min_length=1)],
    Discriminator(union_tag),
]
