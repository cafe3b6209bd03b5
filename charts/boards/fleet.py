"""The fleet: versions, rules, watches, CPU and memory of all proxies, and the injector."""

from __future__ import annotations

from boards.panels import (
    INJECTORS,
    NONE_IS_GOOD,
    PODS,
    PROXIES,
    SAME_PROXY,
    SOME_IS_A_WARNING,
    Panel,
    R,
    Row,
    quantile,
    recent,
    stat,
)

POD = "{{namespace}}/{{pod}}"
VERSIONS = f"pilotfish_build_info{{{PODS}}} and {SAME_PROXY} {PROXIES}"
INJECTED = f"pilotfish_build_info and {SAME_PROXY} {INJECTORS}"

SIDECARS = Row(
    "Versions",
    (
        stat(
            "Proxies",
            "Running proxies by version.",
            f"count by (version) ({VERSIONS})",
            "{{version}}",
            empty="none",
            width=8,
        ),
        stat(
            "Proxies of another version",
            "Proxies of another version than the injector's: their Pods have not been made anew since it was updated.",
            f"(count({VERSIONS} unless on (version) ({INJECTED})) or vector(0)) and on () ({INJECTED})",
            "proxies",
            steps=SOME_IS_A_WARNING,
            empty="no injector",
            width=8,
            runbook="PilotfishVersionsLag",
        ),
        Panel(
            "Versions of sidecars",
            "Proxies by namespace and version.",
            ((f"count by (namespace, version) ({VERSIONS})", "{{namespace}} {{version}}"),),
            kind="bargauge",
            instant=True,
            empty="none",
            height=4,
            runbook="PilotfishVersionsLag",
        ),
    ),
)

CONFIG = Row(
    "Config",
    (
        stat(
            "Proxies that refuse their newest rules",
            "They run on the ones before; /status says why.",
            f"sum by (namespace) (1 - pilotfish_config_last_reload_successful{{{PODS}}})",
            "{{namespace}}",
            steps=NONE_IS_GOOD,
            width=8,
            runbook="PilotfishRulesRefused",
        ),
        stat(
            "Proxies without rules",
            "Neither rules nor providers: they answer every request with 404, or are not ready.",
            f"sum by (namespace) (sum by (namespace, pod, instance) (pilotfish_config_entries{{{PODS}}}) == bool 0)",
            "{{namespace}}",
            steps=NONE_IS_GOOD,
            width=8,
            runbook="PilotfishRulesEmpty",
        ),
        stat(
            "Time since the last edit",
            "Since each version of the rules came into force in the first of the proxies that have it: one that starts later is no edit.",
            f"time() - min by (namespace, version) (pilotfish_config_last_applied_timestamp_seconds{{{PODS}}} * {SAME_PROXY} group_left (version) pilotfish_config_info)",
            "{{namespace}} {{version}}",
            unit="s",
            width=8,
        ),
        Panel(
            "Rules in force",
            "Proxies by version of their rules: after an edit all of a namespace should meet in one.",
            (
                (
                    f"count by (namespace, version) (pilotfish_config_info{{{PODS}}})",
                    "{{namespace}} {{version}}",
                ),
            ),
        ),
        Panel(
            "Reloads",
            "Edits read in the last hour, by all proxies together.",
            (
                (
                    recent("pilotfish_config_reloads_total", PODS, "namespace, result"),
                    "{{namespace}} {{result}}",
                ),
            ),
        ),
        Panel(
            "Problems in rules",
            "Of the rules read last.",
            ((f"max by (namespace) (pilotfish_config_problems{{{PODS}}})", "{{namespace}}"),),
            runbook="PilotfishRulesRefused",
        ),
        Panel(
            "Source of rules away",
            "Proxies that cannot watch or read their rules.",
            (
                (
                    f"sum by (namespace) (1 - pilotfish_config_source_connected{{{PODS}}})",
                    "{{namespace}}",
                ),
            ),
            runbook="PilotfishRulesSourceAway",
        ),
        Panel(
            "Watches begun anew",
            "In the last hour, by reason; `timeout` is the everyday one.",
            ((recent("pilotfish_watch_restarts_total", PODS, "reason"), "{{reason}}"),),
            empty="no proxy watches",
            runbook="PilotfishRulesSourceAway",
        ),
    ),
)

PROCESSES = Row(
    "Processes",
    (
        Panel(
            "Event loop lag",
            "99th percentile by Pod: above 100 ms the proxy is short of CPU.",
            ((quantile(0.99, "pilotfish_event_loop_lag_seconds", PODS, "namespace, pod"), POD),),
            "s",
            runbook="PilotfishEventLoopLate",
        ),
        Panel(
            "Memory",
            "Resident memory of each proxy.",
            ((f"process_resident_memory_bytes{{{PODS}}} and {SAME_PROXY} {PROXIES}", POD),),
            "bytes",
        ),
        Panel(
            "CPU",
            "Cores used by each proxy.",
            (
                (
                    f"rate(process_cpu_seconds_total{{{PODS}}}[{R}]) and {SAME_PROXY} {PROXIES}",
                    POD,
                ),
            ),
            runbook="PilotfishEventLoopLate",
        ),
        Panel(
            "Open files",
            "Connections count among them.",
            ((f"process_open_fds{{{PODS}}} and {SAME_PROXY} {PROXIES}", POD),),
        ),
    ),
)

INJECTOR = Row(
    "Injector",
    (
        stat(
            "Pods without their sidecar",
            "They should have one and have not.",
            "max(pilotfish_uninjected_pods)",
            "Pods",
            steps=NONE_IS_GOOD,
            empty="no injector",
            width=8,
            runbook="PilotfishPodsWithoutSidecar",
        ),
        stat(
            "Webhook's certificate",
            "Time until it expires.",
            f"min({INJECTORS} > 0) - time()",
            "left",
            unit="s",
            steps=((None, "red"), (86400, "green")),
            empty="no injector",
            width=8,
            runbook="PilotfishCertificateEnds",
        ),
        Panel(
            "Injections",
            "Admission reviews a second, by what was done.",
            (
                (
                    f"sum by (result, reason) (rate(pilotfish_injections_total[{R}]))",
                    "{{result}} {{reason}}",
                ),
            ),
            "reqps",
            empty="no injector",
            runbook="PilotfishInjectionFails",
        ),
    ),
)

ROWS = (SIDECARS, CONFIG, PROCESSES, INJECTOR)
