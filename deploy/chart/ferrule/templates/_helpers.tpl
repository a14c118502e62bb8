{{- define "ferrule.name" -}}
{{- if contains "ferrule" .Release.Name }}{{ .Release.Name }}{{ else }}{{ .Release.Name }}-ferrule{{ end }}
{{- end }}

{{- define "ferrule.labels" -}}
app.kubernetes.io/name: ferrule
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "ferrule.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "ferrule.scrape" -}}
{{- if .Values.metrics.scrapeAnnotations }}
prometheus.io/scrape: "true"
prometheus.io/port: {{ .Values.metrics.port | quote }}
prometheus.io/path: /metrics
{{- end }}
{{- end }}

{{/* What both commands are told alike. */}}
{{- define "ferrule.arguments" -}}
- --log-level={{ .Values.logLevel }}
- --health-port={{ .Values.healthPort }}
- --metrics-port={{ .Values.metrics.port }}
{{- with .Values.lbClass }}
- {{ printf "--lb-class=%s" . | quote }}
{{- end }}
{{- if .Values.ignoreExcludeLB }}
- --ignore-exclude-lb
{{- end }}
{{- if .Values.spec }}
- /etc/ferrule/spec
{{- end }}
{{- end }}

{{- define "ferrule.ports" -}}
- {name: metrics, containerPort: {{ .Values.metrics.port }}}
- {name: health, containerPort: {{ .Values.healthPort }}}
{{- end }}

{{- define "ferrule.probes" -}}
livenessProbe:
  httpGet: {path: /healthz, port: health}
  periodSeconds: 10
  failureThreshold: 6
readinessProbe:
  httpGet: {path: /readyz, port: health}
  periodSeconds: 5
{{- end }}

{{/* The kinds of the spec in a group, as RBAC names them. */}}
{{- define "ferrule.kinds" -}}
bfdprofiles, bgpadvertisements, bgppeers, communities, ipaddresspools, l2advertisements
{{- end }}

{{- define "ferrule.own-kinds" -}}
accesses, addresslocks, clusters, switches, {{ include "ferrule.kinds" . }}
{{- end }}
