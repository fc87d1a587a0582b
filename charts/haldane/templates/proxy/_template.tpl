{{/* The proxies' Pod, the same in a Deployment and a DaemonSet. */}}
{{- define "haldane.proxy.template" -}}
metadata:
  labels:
    {{- include "haldane.selector" (list . "proxy") | nindent 4 }}
    {{- with .Values.proxy.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with include "haldane.podAnnotations" .Values.proxy }}
  {{- . | trim | nindent 2 }}
  {{- end }}
spec:
  serviceAccountName: {{ include "haldane.proxy.name" . }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  {{- with include "haldane.imagePullSecrets" . }}
  {{- . | trim | nindent 2 }}
  {{- end }}
  securityContext:
    {{- include "haldane.podSecurityContext" . | nindent 4 }}
  terminationGracePeriodSeconds: {{ add .Values.proxy.preStopSeconds .Values.proxy.drainSeconds (include "haldane.graceMargin" . | int) }}
  {{- with include "haldane.placement" .Values.proxy }}
  {{- . | trim | nindent 2 }}
  {{- end }}
  {{- with .Values.proxy.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with include "haldane.proxy.spread" . }}
  {{- . | trim | nindent 2 }}
  {{- end }}
  containers:
    - name: proxy
      image: {{ include "haldane.image" (list . .Values.proxy.image) }}
      imagePullPolicy: {{ .Values.proxy.image.pullPolicy }}
      args:
        {{- include "haldane.proxy.args" . | nindent 8 }}
      env:
        {{- include "haldane.env" . | nindent 8 }}
      ports:
        {{- include "haldane.proxy.ports" . | nindent 8 }}
      {{- include "haldane.probes" . | nindent 6 }}
      {{- if .Values.proxy.preStopSeconds }}
      lifecycle:
        preStop:
          sleep:
            seconds: {{ .Values.proxy.preStopSeconds }}
      {{- end }}
      securityContext:
        {{- include "haldane.securityContext" . | nindent 8 }}
      resources:
        {{- toYaml .Values.proxy.resources | nindent 8 }}
      volumeMounts:
        - name: push
          mountPath: /etc/haldane/push
          readOnly: true
        - name: ticket-key
          mountPath: /etc/haldane/ticket-key
          readOnly: true
        - name: state
          mountPath: /var/lib/haldane
        {{- with .Values.proxy.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
  volumes:
    - name: push
      secret:
        secretName: {{ include "haldane.push.proxySecret" . }}
        defaultMode: 0440
    - name: ticket-key
      secret:
        secretName: {{ include "haldane.ticketKey.secret" . }}
        defaultMode: 0440
    - name: state
      {{- include "haldane.proxy.state" . | nindent 6 }}
    {{- with .Values.proxy.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end -}}

{{- define "haldane.proxy.args" -}}
{{- $proxy := .Values.proxy -}}
- --name=$(POD_NAMESPACE)/$(POD_NAME)
- --controller=https://{{ include "haldane.push.host" . }}:{{ .Values.push.port }}
- --push-cert=/etc/haldane/push/tls.crt
- --push-key=/etc/haldane/push/tls.key
- --push-ca=/etc/haldane/push/ca.crt
- --state=/var/lib/haldane
- --ticket-key-file=/etc/haldane/ticket-key/key
- --http={{ .Values.listenAddress }}:{{ $proxy.ports.http }}
- --https={{ .Values.listenAddress }}:{{ $proxy.ports.https }}
- --https-redirect-port={{ ternary $proxy.service.ports.https $proxy.hostPorts.https $proxy.service.enabled }}
- --admin={{ .Values.listenAddress }}:{{ $proxy.ports.admin }}
- --grace={{ $proxy.drainSeconds }}
{{- if $proxy.workers }}
- --workers={{ $proxy.workers }}
{{- end }}
{{- with $proxy.trusted }}
- --trusted={{ join "," . }}
{{- end }}
{{- if $proxy.proxyProtocol }}
- --proxy-protocol
{{- end }}
{{- with $proxy.countryHeader }}
- --country-header={{ . }}
{{- end }}
{{- with $proxy.geoip }}
- --geoip={{ . }}
{{- end }}
{{- if $proxy.accessLog }}
- --access-log=-
{{- end }}
{{- if not $proxy.nginxMetrics }}
- --nginx-metrics=false
{{- end }}
{{- range $flag, $most := $proxy.limits }}
- --{{ $flag }}={{ int64 $most }}
{{- end }}
{{- end -}}

{{- define "haldane.proxy.ports" -}}
- name: http
  containerPort: {{ .Values.proxy.ports.http }}
  {{- if .Values.proxy.hostPorts.enabled }}
  hostPort: {{ .Values.proxy.hostPorts.http }}
  {{- end }}
- name: https
  containerPort: {{ .Values.proxy.ports.https }}
  {{- if .Values.proxy.hostPorts.enabled }}
  hostPort: {{ .Values.proxy.hostPorts.https }}
  {{- end }}
- name: admin
  containerPort: {{ .Values.proxy.ports.admin }}
{{- end -}}

{{/* Pods of one revision are spread by themselves: during an update the old ones do not count. */}}
{{- define "haldane.proxy.spread" -}}
{{- if and (eq .Values.proxy.kind "Deployment") .Values.proxy.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- range .Values.proxy.topologySpreadConstraints }}
  - {{ toYaml . | nindent 4 | trim }}
    labelSelector:
      matchLabels:
        {{- include "haldane.selector" (list $ "proxy") | nindent 8 }}
    matchLabelKeys: [pod-template-hash]
  {{- end }}
{{- end }}
{{- end -}}

{{- define "haldane.proxy.state" -}}
{{- $state := .Values.proxy.state -}}
{{- if eq $state.type "hostPath" -}}
hostPath:
  path: {{ $state.hostPath }}
  type: Directory
{{- else if eq $state.type "persistentVolumeClaim" -}}
persistentVolumeClaim:
  claimName: {{ required "proxy.state.claimName is needed for persistentVolumeClaim" $state.claimName }}
{{- else -}}
emptyDir:
  sizeLimit: {{ $state.sizeLimit }}
{{- end -}}
{{- end -}}
