{{- /*
What clients get, held against `objectives` of the values: each objective has a quick alert (much of a month's budget in an hour) and a
slow one (a steady leak), both over a long and a short window, so that they come soon and go soon. deploy/alerts.yaml shows all of this
rendered. Braces in backquotes are for Prometheus.
*/ -}}

{{- /* A number as the proxy writes it in the label `le`: 5.0, 0.25. */ -}}
{{- define "pilotfish.le" -}}
{{- if eq (float64 .) (floor .) }}{{ printf "%.1f" (float64 .) }}{{ else }}{{ . }}{{ end }}
{{- end }}

{{- /* The two windows of each of these alerts, every one once. */ -}}
{{- define "pilotfish.windows" -}}
{{- $windows := list }}
{{- range . }}{{ $windows = append $windows .short }}{{ end }}
{{- range . }}{{ $windows = append $windows .long }}{{ end }}
{{- toJson (uniq $windows) }}
{{- end }}

{{- /* ratio: the recording rule's name up to its window. */ -}}
{{- define "pilotfish.burning" -}}
{{- $threshold := mulf .burn.rate .budget }}
{{- if ge $threshold 1.0 }}
{{- fail (printf "objectives.burn.%s.rate: %v times the budget of %v is %v, more than all there is: the alert could never fire" .name .burn.rate .budget $threshold) }}
{{- end -}}
{{ .ratio }}{{ .burn.long }} > {{ .burn.rate }} * {{ .budget }} and {{ .ratio }}{{ .burn.short }} > {{ .burn.rate }} * {{ .budget }}
{{- end }}

{{- define "pilotfish.objectiveGroups" -}}
{{- $o := .Values.objectives }}
{{- $missed := subf 1 $o.answered }}
{{- $late := subf 1 $o.firstTokenInTime -}}
- name: pilotfish.objectives
  interval: 30s
  rules:
    - record: pilotfish:requests:rate5m
      expr: sum by (namespace, rule) (rate(pilotfish_requests_total[5m]))
    {{- /* Of each rule's requests; and those that no rule got to see (overload, no rules), of all. */}}
    {{- range include "pilotfish.windows" (list $o.burn.requestsFail $o.burn.requestsFailSlowly) | fromJsonArray }}
    - record: pilotfish:requests_missed:ratio_rate{{ . }}
      expr: >-
        sum by (namespace, rule) (rate(pilotfish_requests_total{rule!="",code=~"5..|429"}[{{ . }}]))
        / (sum by (namespace, rule) (rate(pilotfish_requests_total{rule!=""}[{{ . }}])) > 0)
        or sum by (namespace) (rate(pilotfish_requests_total{rule="",code=~"5..|429"}[{{ . }}]))
        / (sum by (namespace) (rate(pilotfish_requests_total[{{ . }}])) > 0)
    {{- end }}
    {{- range include "pilotfish.windows" (list $o.burn.firstTokenLate $o.burn.firstTokenLateForHours) | fromJsonArray }}
    - record: pilotfish:first_token_late:ratio_rate{{ . }}
      expr: >-
        1 - sum by (namespace, gen_ai_request_model) (rate(gen_ai_server_time_to_first_token_seconds_bucket{le="{{ include "pilotfish.le" $o.firstTokenSeconds }}"}[{{ . }}]))
        / (sum by (namespace, gen_ai_request_model) (rate(gen_ai_server_time_to_first_token_seconds_count[{{ . }}])) > 0)
    {{- end }}
- name: pilotfish.burn
  rules:
    {{- $burn := dict "name" "requestsFail" "burn" $o.burn.requestsFail "ratio" "pilotfish:requests_missed:ratio_rate" "budget" $missed }}
    - alert: PilotfishRequestsFail
      expr: {{ include "pilotfish.burning" $burn }}
      for: {{ $burn.burn.for }}
      labels: {severity: critical}
      annotations:
        summary: "{{`{{ $value | humanizePercentage }} of the requests {{ if $labels.rule }}of rule {{ $labels.rule }} in {{ $labels.namespace }} fail{{ else }}in {{ $labels.namespace }} are refused before a rule takes them{{ end }}`}}"
        description: At this rate a month's error budget is gone within days. The access log has each attempt's outcome and the vendor's message.
    {{- $burn := dict "name" "requestsFailSlowly" "burn" $o.burn.requestsFailSlowly "ratio" "pilotfish:requests_missed:ratio_rate" "budget" $missed }}
    - alert: PilotfishRequestsFailSlowly
      expr: {{ include "pilotfish.burning" $burn }}
      for: {{ $burn.burn.for }}
      labels: {severity: warning}
      annotations:
        runbook: PilotfishRequestsFail
        summary: "{{`{{ $value | humanizePercentage }} of the requests {{ if $labels.rule }}of rule {{ $labels.rule }} in {{ $labels.namespace }} have failed{{ else }}in {{ $labels.namespace }} have been refused before a rule took them{{ end }} for hours`}}"
        description: A steady leak of the month's error budget. The access log has each attempt's outcome and the vendor's message.
    {{- $burn := dict "name" "firstTokenLate" "burn" $o.burn.firstTokenLate "ratio" "pilotfish:first_token_late:ratio_rate" "budget" $late }}
    - alert: PilotfishFirstTokenLate
      expr: {{ include "pilotfish.burning" $burn }}
      for: {{ $burn.burn.for }}
      labels: {severity: warning}
      annotations:
        summary: "{{`{{ $value | humanizePercentage }} of the streams of {{ $labels.gen_ai_request_model }} in {{ $labels.namespace }} wait longer than`}} {{ $o.firstTokenSeconds }} s for their first token"
        description: A vendor is slow, prompts have grown, or caches are cold; the overhead panel says what the proxy itself takes.
    {{- $burn := dict "name" "firstTokenLateForHours" "burn" $o.burn.firstTokenLateForHours "ratio" "pilotfish:first_token_late:ratio_rate" "budget" $late }}
    - alert: PilotfishFirstTokenLateForHours
      expr: {{ include "pilotfish.burning" $burn }}
      for: {{ $burn.burn.for }}
      labels: {severity: info}
      annotations:
        runbook: PilotfishFirstTokenLate
        summary: "{{`{{ $value | humanizePercentage }} of the streams of {{ $labels.gen_ai_request_model }} in {{ $labels.namespace }} have waited longer than`}} {{ $o.firstTokenSeconds }} s for hours"
        description: Less than an outage, more than the objective allows. Compare the providers, or let the rule hedge.
{{- end }}

{{- /*
Alerts with where to go from them. runbook_url: prometheusRule.runbookUrl for the alert's name, or for what its annotation `runbook`
says. dashboard_url, where dashboards.grafanaUrl is given: the first panel that links the same runbook.
*/ -}}
{{- define "pilotfish.annotated" -}}
{{- $root := .root }}
{{- $panels := dict }}
{{- range $path, $_ := $root.Files.Glob "dashboards/*.json" }}
{{- $dashboard := $root.Files.Get $path | fromJson }}
{{- range $panel := $dashboard.panels }}
{{- range $panel.links }}
{{- $name := trimPrefix "Runbook: " .title }}
{{- if not (hasKey $panels $name) }}
{{- $_ := set $panels $name (printf "%s/d/%s?viewPanel=%d" (trimSuffix "/" $root.Values.dashboards.grafanaUrl) $dashboard.uid (int $panel.id)) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- range .groups }}
{{- range .rules }}
{{- if hasKey . "alert" }}
{{- $runbook := .annotations.runbook | default .alert }}
{{- $_ := unset .annotations "runbook" }}
{{- $_ := set .annotations "runbook_url" (replace "{name}" $runbook $root.Values.prometheusRule.runbookUrl) }}
{{- if $root.Values.dashboards.grafanaUrl }}
{{- $_ := set .annotations "dashboard_url" (required (printf "no panel links the runbook %s" $runbook) (get $panels $runbook)) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- toYaml .groups }}
{{- end }}
