{{/* Names and labels. */}}

{{/* Cut so that it and the longest ending, "-controller-push", fit into the 63 characters of a DNS label. */}}

{{- define "haldane.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- $both := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- default $both .Values.fullnameOverride | trunc 46 | trimSuffix "-" -}}
{{- end -}}

{{- define "haldane.proxy.name" -}}{{ include "haldane.fullname" . }}-proxy{{- end -}}
{{- define "haldane.controller.name" -}}{{ include "haldane.fullname" . }}-controller{{- end -}}

{{- define "haldane.chart" -}}
{{- printf "%s-%s" .Chart.Name (.Chart.Version | replace "+" "_") | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* The labels by which a component's Pods are found: `(list $ "proxy")`. They never change in an upgrade. */}}
{{- define "haldane.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ default $root.Chart.Name $root.Values.nameOverride | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/* The labels of every object. */}}
{{- define "haldane.labels" -}}
{{- $root := index . 0 -}}
helm.sh/chart: {{ include "haldane.chart" $root }}
{{ include "haldane.selector" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
{{- end -}}

{{/* The image that `(list $ .Values.proxy.image)` names. */}}
{{- define "haldane.image" -}}
{{- $root := index . 0 -}}
{{- $image := index . 1 -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $image.repository $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $image.repository (default $root.Chart.AppVersion $image.tag) -}}
{{- end -}}
{{- end -}}

{{/* The name under which proxies reach the controller, and which its certificate carries. */}}
{{- define "haldane.push.host" -}}
{{- printf "%s.%s.svc" (include "haldane.controller.name" .) .Release.Namespace -}}
{{- end -}}

{{- define "haldane.push.controllerSecret" -}}
{{- default (printf "%s-push" (include "haldane.controller.name" .)) .Values.push.certificates.controllerSecret -}}
{{- end -}}

{{- define "haldane.push.proxySecret" -}}
{{- default (printf "%s-push" (include "haldane.proxy.name" .)) .Values.push.certificates.proxySecret -}}
{{- end -}}

{{- define "haldane.ticketKey.secret" -}}
{{- default (printf "%s-ticket-key" (include "haldane.proxy.name" .)) .Values.proxy.ticketKey.existingSecret -}}
{{- end -}}
