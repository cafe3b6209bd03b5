{{- define "pilotfish.injectorEnv" -}}
{{- $sidecar := .Values.sidecar -}}
{{- $env := dict
  "INJECTOR_LISTEN" "0.0.0.0:14443"
  "ADMIN_LISTEN" "0.0.0.0:14001"
  "CERTIFICATES" (ternary "self" "files" (eq .Values.certificates.mode "self"))
  "WEBHOOKS" (include "pilotfish.webhookName" .)
  "LEASE" (include "pilotfish.injector" .)
  "LOG_LEVEL" .Values.injector.logLevel
  "WATCHDOG_SECONDS" (toString .Values.injector.watchdogSeconds)
  "EXCLUDED_NAMESPACES" (join "," .Values.injector.excludedNamespaces)
  "SIDECAR_IMAGE" ($sidecar.image | default (include "pilotfish.image" .))
  "SIDECAR_IMAGE_PULL_POLICY" .Values.image.pullPolicy
  "SIDECAR_IMAGE_PULL_SECRETS" (include "pilotfish.pullSecrets" . | fromJsonArray | join ",")
  "SIDECAR_MODE" $sidecar.mode
  "SIDECAR_CONFIGMAPS" (join "," $sidecar.configMaps)
  "SIDECAR_CONFIGMAP_SELECTOR" $sidecar.configMapSelector
  "SIDECAR_CONFIG_SOURCE" $sidecar.configSource
  "SIDECAR_SECRETS" (join "," $sidecar.secrets)
  "SIDECAR_PORT" (toString $sidecar.port)
  "SIDECAR_ADMIN_PORT" (toString $sidecar.adminPort)
  "SIDECAR_SET_ENV" (toString $sidecar.setEnv)
  "SIDECAR_READY_WITHOUT_RULES" (toString $sidecar.readyWithoutRules)
  "SIDECAR_LOG_LEVEL" $sidecar.logLevel
  "SIDECAR_CPU" (printf "%v/%v" $sidecar.resources.requests.cpu $sidecar.resources.limits.cpu)
  "SIDECAR_MEMORY" (printf "%v/%v" $sidecar.resources.requests.memory $sidecar.resources.limits.memory)
  "SIDECAR_ENV" (toJson $sidecar.env)
-}}
{{- if eq .Values.certificates.mode "self" }}
{{- $_ := set $env "CERTIFICATE_SECRET" (include "pilotfish.certificateSecret" .) }}
{{- $_ := set $env "CERTIFICATE_NAMES" (include "pilotfish.certificateNames" .) }}
{{- else }}
{{- $_ := set $env "TLS_CERT_FILE" "/etc/pilotfish/tls/tls.crt" }}
{{- $_ := set $env "TLS_KEY_FILE" "/etc/pilotfish/tls/tls.key" }}
{{- end }}
{{- range $name, $value := $env }}
- name: PILOTFISH_{{ $name }}
  value: {{ $value | quote }}
{{- end }}
- name: PILOTFISH_NAMESPACE
  valueFrom: {fieldRef: {apiVersion: v1, fieldPath: metadata.namespace}}
- name: PILOTFISH_IDENTITY
  valueFrom: {fieldRef: {apiVersion: v1, fieldPath: metadata.name}}
{{- end }}
