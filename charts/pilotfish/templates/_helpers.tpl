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
{{- end }}

{{- define "pilotfish.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}
{{- end }}

{{- define "pilotfish.securityContext" -}}
allowPrivilegeEscalation: false
capabilities: {drop: [ALL]}
privileged: false
readOnlyRootFilesystem: true
runAsNonRoot: true
seccompProfile: {type: RuntimeDefault}
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

{{- define "pilotfish.spread" -}}
{{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
- maxSkew: 1
  topologyKey: {{ . }}
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels:
      {{- include "pilotfish.selector" $ | nindent 6 }}
{{- end }}
{{- end }}
