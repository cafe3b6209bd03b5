{{- define "pilotfish.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 50 | trimSuffix "-" }}
{{- end }}

{{- define "pilotfish.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- else if contains (include "pilotfish.name" .) .Release.Name }}
{{- .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "pilotfish.name" .) | trunc 50 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "pilotfish.injector" -}}{{ include "pilotfish.fullname" . }}-injector{{- end }}
{{- define "pilotfish.gateway" -}}{{ include "pilotfish.fullname" . }}-gateway{{- end }}

{{- /* Cluster-wide objects of two releases must not collide. */ -}}
{{- define "pilotfish.clusterName" -}}{{ include "pilotfish.injector" . }}-{{ .Release.Namespace }}{{- end }}

{{- define "pilotfish.selector" -}}
app.kubernetes.io/name: {{ include "pilotfish.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "pilotfish.labels" -}}
{{ include "pilotfish.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "pilotfish.image" -}}
{{- with .Values.global.imageRegistry | default .Values.image.registry }}{{ trimSuffix "/" . }}/{{ end -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}
{{- end }}

{{- /* Names, whether they are given as names or as objects with one. */ -}}
{{- define "pilotfish.pullSecrets" -}}
{{- $names := list -}}
{{- range concat .Values.global.imagePullSecrets .Values.image.pullSecrets -}}
{{- $names = append $names (ternary . (get (kindIs "map" . | ternary . dict) "name") (kindIs "string" .)) -}}
{{- end -}}
{{- toJson ($names | uniq) }}
{{- end }}

{{- /* Of injector or gateway: the name of its service account. */ -}}
{{- define "pilotfish.serviceAccount" -}}
{{- get .root.Values .component | dig "serviceAccount" "name" "" | default (include (printf "pilotfish.%s" .component) .root) }}
{{- end }}

{{- /* Of injector or gateway: values as they are called now, from those of an older release where these are given. */ -}}
{{- define "pilotfish.replicas" -}}
{{- if hasKey . "replicas" }}{{ .replicas }}{{ else }}{{ .replicaCount | default "" }}{{ end }}
{{- end }}

{{- define "pilotfish.env" -}}
{{- with concat (.env | default list) .extraEnv }}{{ toYaml . }}{{ end }}
{{- end }}

{{- define "pilotfish.accountAnnotations" -}}
{{- with merge dict .serviceAccount.annotations (.serviceAccountAnnotations | default dict) }}{{ toYaml . }}{{ end }}
{{- end }}

{{- define "pilotfish.spread" -}}
{{- $values := get .root.Values .component -}}
{{- $constraints := ternary list $values.topologySpreadConstraints (and (hasKey $values "topologySpread") (not $values.topologySpread)) -}}
{{- range $constraints }}
- {{ toYaml . | nindent 2 | trim }}
{{- if not .labelSelector }}
  labelSelector:
    matchLabels:
      {{- include "pilotfish.selector" $ | nindent 6 }}
{{- end }}
{{- end }}
{{- end }}

{{- /* What injector and gateway have in common of a Pod: where it runs, as whom, with whose images. */ -}}
{{- define "pilotfish.pod" -}}
{{- $values := get .root.Values .component -}}
serviceAccountName: {{ include "pilotfish.serviceAccount" . }}
{{- with $values.podSecurityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with include "pilotfish.pullSecrets" .root | fromJsonArray }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with include "pilotfish.spread" . }}
topologySpreadConstraints:
  {{- . | nindent 2 }}
{{- end }}
{{- end }}

{{- /* What injector and gateway have in common of a Deployment. */ -}}
{{- define "pilotfish.deployment" -}}
{{- $values := get .root.Values .component -}}
revisionHistoryLimit: {{ $values.revisionHistoryLimit }}
{{- with $values.updateStrategy }}
strategy:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "pilotfish.podDisruptionBudget" -}}
{{- $values := get .root.Values .component -}}
apiVersion: {{ include "pilotfish.pdbApi" .root }}
kind: PodDisruptionBudget
metadata:
  name: {{ include (printf "pilotfish.%s" .component) .root }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "pilotfish.labels" . | nindent 4 }}
spec:
  {{- if ne (toString $values.podDisruptionBudget.minAvailable) "" }}
  minAvailable: {{ $values.podDisruptionBudget.minAvailable }}
  {{- else }}
  maxUnavailable: {{ $values.podDisruptionBudget.maxUnavailable }}
  {{- end }}
  selector:
    matchLabels:
      {{- include "pilotfish.selector" . | nindent 6 }}
{{- end }}

{{- define "pilotfish.webhookName" -}}{{ .Values.injector.webhook.namePrefix }}{{ include "pilotfish.clusterName" . }}{{- end }}

{{- /* Values of older releases that are still obeyed, each with what replaces it, for NOTES. */ -}}
{{- define "pilotfish.deprecated" -}}
{{- $found := list -}}
{{- range $component := list "injector" "gateway" -}}
{{- range $old, $new := dict "replicas" "replicaCount" "env" "extraEnv" "serviceAccountAnnotations" "serviceAccount.annotations" "topologySpread" "topologySpreadConstraints" -}}
{{- if hasKey (get $.Values $component) $old }}{{ $found = append $found (printf "%s.%s: now %s.%s" $component $old $component $new) }}{{ end -}}
{{- end -}}
{{- end -}}
{{- range $part := list "podMonitor" "serviceMonitor" "prometheusRule" -}}
{{- if hasKey (get $.Values $part) "labels" }}{{ $found = append $found (printf "%s.labels: now %s.additionalLabels" $part $part) }}{{ end -}}
{{- end -}}
{{- toJson ($found | sortAlpha) }}
{{- end }}

{{- define "pilotfish.pdbApi" -}}
{{- if semverCompare ">=1.21-0" .Capabilities.KubeVersion.Version }}policy/v1{{ else }}policy/v1beta1{{ end }}
{{- end }}

{{- define "pilotfish.hpaApi" -}}
{{- if semverCompare ">=1.23-0" .Capabilities.KubeVersion.Version }}autoscaling/v2{{ else }}autoscaling/v2beta2{{ end }}
{{- end }}

{{- define "pilotfish.hasMonitoring" -}}
{{- if .Capabilities.APIVersions.Has "monitoring.coreos.com/v1" }}true{{ end }}
{{- end }}

{{- define "pilotfish.certificateSecret" -}}
{{- default (printf "%s-tls" (include "pilotfish.injector" .)) .Values.certificates.secretName }}
{{- end }}

{{- define "pilotfish.certificateNames" -}}
{{- $service := include "pilotfish.injector" . -}}
{{- $names := list (printf "%s.%s.svc" $service .Release.Namespace) (printf "%s.%s" $service .Release.Namespace) $service -}}
{{- if .Values.injector.url }}{{ $names = append $names (regexReplaceAll ":[0-9]+$" (urlParse .Values.injector.url).host "" | trimPrefix "[" | trimSuffix "]") }}{{ end -}}
{{- join "," $names }}
{{- end }}

{{- define "pilotfish.rulesFor" -}}
{{- $names := .Values.rbac.configMaps | default .Values.sidecar.configMaps -}}
{{- toJson $names }}
{{- end }}

{{- /* The names, without namespaces, of the ConfigMaps that sidecars read by default. */ -}}
{{- define "pilotfish.configMapNames" -}}
{{- $names := list -}}
{{- range .Values.sidecar.configMaps }}{{ $names = append $names (splitList "/" . | last) }}{{ end -}}
{{- toJson ($names | uniq | sortAlpha) }}
{{- end }}

{{/* The host names that the gateway is called by from outside: those of its Ingress and its HTTPRoute, and further ones. */}}
{{- define "pilotfish.gatewayHosts" -}}
{{- $hosts := list }}
{{- if .Values.gateway.ingress.enabled }}
{{- range .Values.gateway.ingress.hosts }}{{ $hosts = append $hosts .host }}{{ end }}
{{- end }}
{{- if .Values.gateway.httpRoute.enabled }}{{ $hosts = concat $hosts .Values.gateway.httpRoute.hostnames }}{{ end }}
{{- join "," (concat $hosts .Values.gateway.allowedHosts | uniq) }}
{{- end }}
