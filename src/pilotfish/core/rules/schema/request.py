"""`request` of services and providers: what the rules set in requests."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from pilotfish.core.rules.schema.base import Count, Spec

Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
Penalty = Annotated[float, Field(ge=-2, le=2)]


class ParametersSpec(Spec):
    """Parameters by names that hold in every style: each is written as the service's has it."""

    max_tokens: Count | None = Field(default=None, description="most tokens of the answer")
    temperature: float | None = Field(default=None, ge=0, le=2, description="0 to 2")
    top_p: float | None = Field(default=None, ge=0, le=1, description="0 to 1")
    top_k: Count | None = Field(default=None, description="where the service has it")
    stop: list[str] | None = Field(
        default=None, min_length=1, description="texts before which the answer ends"
    )
    seed: int | None = Field(default=None, description="where the service has it")
    presence_penalty: Penalty | None = Field(default=None, description="-2 to 2")
    frequency_penalty: Penalty | None = Field(default=None, description="-2 to 2")
    parallel_tool_calls: bool | None = Field(
        default=None, description="whether several tools may be called at once"
    )
    reasoning_effort: Effort | None = Field(
        default=None, description="how much to think; a budget where the service wants one"
    )
    verbosity: Literal["low", "medium", "high"] | None = Field(
        default=None, description="where the service has it"
    )
    service_tier: str | None = Field(default=None, min_length=1, description="the vendor's word")
    user: str | None = Field(
        default=None, min_length=1, description="the end user, as vendors know it"
    )


class ThinkingSpec(Spec):
    """Thinking, where the client does not say anything of it."""

    enabled: bool | None = Field(default=None, description="false: none; absent: true")
    budget_tokens: Annotated[int, Field(ge=0)] | None = Field(
        default=None, description="tokens; an effort where the service wants one"
    )
    effort: Effort | None = Field(
        default=None, description="how much; a budget where the service wants one"
    )


class RequestSpec(Spec):
    """What chat requests are given. A request of the service's own style stays as it is but for
    these.
    """

    defaults: ParametersSpec = Field(
        default_factory=ParametersSpec, description="where the client says nothing"
    )
    overrides: ParametersSpec = Field(
        default_factory=ParametersSpec, description="whatever the client says"
    )
    system_prompt: str | None = Field(
        default=None, min_length=1, description="comes before the client's own instructions"
    )
    thinking: ThinkingSpec | None = Field(
        default=None, description="where the client says nothing of thinking"
    )
    extra_body: dict[str, Any] = Field(
        default={},
        description="fields in the words of the service's own style, set whatever the client says; "
        "objects are merged",
    )
