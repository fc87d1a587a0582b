{{- define "haldane.controller.args" -}}
- --class={{ .Values.ingressClass.name }}
{{- range .Values.watch.namespaces }}
- --namespace={{ . }}
{{- end }}
{{- if .Values.watch.allowExternalName }}
- --allow-external-name
{{- end }}
- --push={{ .Values.push.listenAddress }}:{{ .Values.push.port }}
- --push-cert=/etc/haldane/push/tls.crt
- --push-key=/etc/haldane/push/tls.key
- --push-client-ca=/etc/haldane/push/ca.crt
- --admin={{ .Values.listenAddress }}:{{ .Values.controller.ports.admin }}
- --lease-namespace=$(POD_NAMESPACE)
- --lease-name={{ include "haldane.controller.name" . }}
- --identity=$(POD_NAME)
- --held-config-map={{ include "haldane.controller.held" . }}
{{- range .Values.status.addresses }}
- --publish-address={{ . }}
{{- end }}
{{- if .Values.controller.onAbort.enabled }}
- --on-abort-writes
{{- end }}
{{- range .Values.controller.webhookAllow }}
- --webhook-allow={{ . }}
{{- end }}
{{- if include "haldane.publishesService" . }}
- --publish-service={{ .Release.Namespace }}/{{ include "haldane.proxy.name" . }}
{{- end }}
{{- end -}}

{{/* The ConfigMap with the last valid forms of objects that are invalid. */}}
{{- define "haldane.controller.held" -}}
{{- include "haldane.controller.name" . }}-held
{{- end -}}

{{/* Not empty when the proxies' Service is what Ingresses get as their address. */}}
{{- define "haldane.publishesService" -}}
{{- if and .Values.status.publishService .Values.proxy.service.enabled (empty .Values.status.addresses) -}}yes{{- end -}}
{{- end -}}

{{- define "haldane.controller.affinity" -}}
{{- if .Values.controller.affinity -}}
{{- toYaml .Values.controller.affinity -}}
{{- else -}}
podAntiAffinity:
  preferredDuringSchedulingIgnoredDuringExecution:
    - weight: 100
      podAffinityTerm:
        topologyKey: kubernetes.io/hostname
        labelSelector:
          matchLabels:
            {{- include "haldane.selector" (list . "controller") | nindent 12 }}
{{- end -}}
{{- end -}}
