{{/* A PodMonitor of `(list $ "proxy")`. Pods, not a Service: the admin port is on no Service. */}}
{{- define "haldane.podMonitor" -}}
{{- $root := index . 0 -}}
{{- $component := index . 1 -}}
{{- if not ($root.Capabilities.APIVersions.Has "monitoring.coreos.com/v1") -}}
{{- fail "podMonitor.enabled: the Prometheus operator's definitions are not installed (for helm template: --api-versions monitoring.coreos.com/v1)" -}}
{{- end -}}
apiVersion: monitoring.coreos.com/v1
kind: PodMonitor
metadata:
  name: {{ include (printf "haldane.%s.name" $component) $root }}
  labels:
    {{- include "haldane.labels" . | nindent 4 }}
    {{- with $root.Values.podMonitor.labels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  selector:
    matchLabels:
      {{- include "haldane.selector" . | nindent 6 }}
  podMetricsEndpoints:
    - port: admin
      path: /metrics
      # Requests are counted by the namespace of their Ingress, which is not the Pod's.
      honorLabels: true
      interval: {{ $root.Values.podMonitor.interval }}
{{- end -}}
