{{/* What both programs have in common. Called with a list: the chart's root, the program's name, its values. */}}

{{- define "aistack.labels" -}}
app.kubernetes.io/name: aistack
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "aistack.selector" -}}
app.kubernetes.io/name: aistack
app.kubernetes.io/component: {{ . }}
{{- end }}

{{- define "aistack.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default (printf "v%s" .Chart.AppVersion) }}
{{- end }}

{{- define "aistack.pod" -}}
{{- $root := index . 0 }}{{ $program := index . 1 }}
serviceAccountName: aistack-{{ $program }}
enableServiceLinks: false # the Service aistack-webhook would set AISTACK_WEBHOOK_PORT, a setting of ours
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  seccompProfile: {type: RuntimeDefault}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- include "aistack.selector" $program | nindent 8 }}
{{- with $root.Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $root.Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $root.Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $root.Values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $root.Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}

{{- define "aistack.container" -}}
{{- $root := index . 0 }}{{ $program := index . 1 }}{{ $values := index . 2 }}
name: {{ $program }}
image: {{ include "aistack.image" $root }}
imagePullPolicy: {{ $root.Values.image.pullPolicy }}
args: [{{ $program }}]
env:
  - name: AISTACK_NAMESPACE
    valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
  {{- if $root.Values.admissionPolicies }}
  - {name: AISTACK_ADMISSION_POLICIES, value: "on"}
  {{- end }}
  {{- if and $root.Values.traces.endpoint (eq $program "controller") }}
  - {name: AISTACK_TRACES, value: {{ $root.Values.traces.endpoint | quote }}}
  - {name: AISTACK_TRACES_PERCENT, value: {{ $root.Values.traces.percent | quote }}}
  {{- end }}
  {{- if $values.decisions }}
  - name: POD_NAME
    valueFrom: {fieldRef: {fieldPath: metadata.name}}
  - {name: AISTACK_DECISIONS, value: /var/lib/aistack/$(POD_NAME).jsonl}
  {{- end }}
  {{- with $values.env }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
resources: {{- toYaml $values.resources | nindent 2 }}
securityContext:
  allowPrivilegeEscalation: false
  capabilities: {drop: [ALL]}
  readOnlyRootFilesystem: true
terminationMessagePolicy: FallbackToLogsOnError
{{- end }}
