"""Writes docs/providers.md from the provider records: `python docs/providers_page.py >
docs/providers.md`.
"""

from __future__ import annotations

from pilotfish import providers
from pilotfish.core.model.provider import CHAT_STYLES, ProviderKind

INTRO = """# Providers

Made from the records in `src/pilotfish/providers/`; do not edit. Anew: `python docs/providers_page.py > docs/providers.md`.

A provider is an account at a vendor, or a server of your own. Every kind takes the keys of [the rules file](rules.md); `options` differ
by kind and are listed here. A secret option is `{env: NAME}`, `{file: PATH}` or `{secret: {name: NAME, key: KEY}}`, like `token`.
"""

CREDENTIALS = """
## Credentials

| where | what happens |
| --- | --- |
| `token: {env: NAME}` | read at start |
| `token: {file: PATH}`, `{secret: {name: NAME, key: KEY}}` | looked at for each request: the one after a rotation uses the new key, and a key that is refused is read again at once |
| `tokens: [...]` | several keys, each with its own health: one that is refused or rate limited is left aside, the others serve on |
| `auth_type: oauth` | `oauth_detail` with `access_token`, `refresh_token` and, in `extra_fields`, `client_id`, `client_secret`, `scope`: refreshed before it expires. `provider_type` (`claude_code`, `codex`, `gemini`, `qwen`, `kimi`, ...; absent: the kind) finds the vendor's token endpoint; another one is `token_url` with `format` (`form` or `json`) in `extra_fields`. A refresh token that the vendor exchanges is kept in `STATE_DIR` (mode 0600), so that a restart does not send the old one. A token with `expires_at` that nothing renews is a problem, or, where it is in a file that others renew, not sent when it is over |
| azure: `auth_mode` | an API key (`token`), a service principal (`tenant_id`, `client_id`, `client_secret`), or Azure's default search (`pip install 'pilotfish[azure]'`) |
| bedrock | an API key (`token`); `access_key` and `secret_key`; on top of either or of the surroundings a role (`role_arn`); without any of these the environment's keys or web identity (EKS), else AWS's default search (`pip install 'pilotfish[aws]'`) |
| vertex | a ready access token or the JSON of a credentials file (`token`), a file (`credentials_file`), else Google's default search: workload identity, metadata server (`pip install 'pilotfish[google]'`) |
| github_copilot | a GitHub token, exchanged for a short-lived one |

Tokens that expire are fetched once for all requests that wait, renewed in the background before they expire, and kept while they are valid
whatever happens to their source. They are fetched by way of the provider's `proxy_url` and with its `ca_file`, as its requests are sent.
`pilotfish probe --config rules.yaml` tries all of this, and says what it has tested; with `--chat MODEL` it asks that model for one token, since a key may be allowed to chat and not to list models.
"""


def page() -> str:
    kinds = providers.all_kinds()
    parts = [
        INTRO,
        _overview(),
        CREDENTIALS.rstrip("\n"),
        *(_section(kind) for kind in kinds.values()),
    ]
    return "\n".join(parts) + "\n"


def _overview() -> str:
    lines = ["| kind | vendor | base URL | chat APIs | other |", "| --- | --- | --- | --- | --- |"]
    for kind in providers.all_kinds().values():
        chats = ", ".join(_chats(kind))
        others = ", ".join(
            sorted(op for op in kind.paths if op not in CHAT_STYLES and ":" not in op)
        )
        lines.append(
            f"| [`{kind.name}`](#{kind.name}) | {kind.title} | {_base(kind)} | {chats} | {others} |"
        )
    return "\n".join(lines)


def _chats(kind: ProviderKind) -> list[str]:
    return [
        f"{style} (preferred)" if style == kind.style else style
        for op, style in CHAT_STYLES.items()
        if op in kind.paths
    ]


def _base(kind: ProviderKind) -> str:
    if kind.base_url:
        return f"`{kind.base_url}`"
    return (
        "from options"
        if kind.base_from and any(k in kind.options for k in ("endpoint", "location", "region"))
        else "`api_base` needed"
    )


def _section(kind: ProviderKind) -> str:
    lines = ["", f"## {kind.name}", "", f"{kind.title}. Documentation: <{kind.docs}>", ""]
    lines += [f"- {fact}" for fact in _facts(kind)]
    if kind.options:
        lines += ["", "| option | |", "| --- | --- |"]
        for name, option in kind.options.items():
            about = [option.help] if option.help else []
            about += (
                [f"one of {', '.join(f'`{c}`' for c in option.choices)}"] if option.choices else []
            )
            about += ["required"] if option.required else []
            about += ["secret"] if option.secret else []
            lines.append(f"| `{name}` | {'; '.join(about)} |")
    return "\n".join(lines)


def _facts(kind: ProviderKind) -> list[str]:
    quirks, facts = kind.quirks, [f"{note}" for note in kind.notes]
    if not kind.needs_key:
        facts.append("No key is needed.")
    if kind.version:
        facts.append(f"`api_base` may be given with or without `{kind.version}`.")
    elif kind.base_url:
        facts.append("Paths are appended to `api_base` as it stands.")
    if quirks.refuses:
        facts.append(
            f"Left out when a request of another style is written for it: {', '.join(f'`{f}`' for f in sorted(quirks.refuses))}."
        )
    if kind.model_quirks:
        facts.append("Some of its models refuse more; that is known by their names.")
    if kind.limits.index:
        told = sorted(kind.limits.remaining)
        facts.append(
            f"Tells in headers what is left of its limits: {', '.join(told).replace('_', ' ')}."
        )
    if kind.probe is None and kind.probe_from is None:
        facts.append(
            "Has no call that tests a key free of charge: `pilotfish probe` only tests the connection."
        )
    return facts


if __name__ == "__main__":
    print(page(), end="")
