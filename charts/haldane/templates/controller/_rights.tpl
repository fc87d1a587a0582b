{{/* What the controller may do, in one place. docs/install.md says why; a test compares it with what is done. */}}

{{/* What a table is made from, and what is told back. The rights are the same for all namespaces and for some. */}}
{{- define "haldane.rights.objects" -}}
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]
- apiGroups: [""]
  resources: [services]
  verbs: [list, watch, patch]
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [list, watch]
- apiGroups: [networking.k8s.io]
  resources: [ingresses]
  verbs: [list, watch, patch]
- apiGroups: [networking.k8s.io]
  resources: [ingresses/status]
  verbs: [patch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
{{- if .Values.controller.onAbort.enabled }}
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, patch]
- apiGroups: [apps]
  resources: [replicasets]
  verbs: [get, list]
{{- end }}
{{- end -}}

{{/* IngressClasses belong to no namespace. */}}
{{- define "haldane.rights.classes" -}}
- apiGroups: [networking.k8s.io]
  resources: [ingressclasses]
  verbs: [list, watch]
{{- end -}}

{{/* Who leads, what is held, and (where services are not read everywhere) the address that Ingresses get. */}}
{{- define "haldane.rights.own" -}}
# A right to create cannot be given by name.
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [create]
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  resourceNames: [{{ include "haldane.controller.name" . }}]
  verbs: [get, update]
- apiGroups: [""]
  resources: [configmaps]
  resourceNames: [{{ include "haldane.controller.held" . }}]
  verbs: [get, patch]
{{- if and (include "haldane.publishesService" .) .Values.watch.namespaces }}
- apiGroups: [""]
  resources: [services]
  resourceNames: [{{ include "haldane.proxy.name" . }}]
  verbs: [list, watch]
{{- end }}
{{- end -}}

{{/* `.` is an entry of `watch.secrets`. */}}
{{- define "haldane.rights.secrets" -}}
- apiGroups: [""]
  resources: [secrets]
  {{- with .names }}
  resourceNames: {{ toJson . }}
  {{- end }}
  verbs: [list, watch]
{{- end -}}

{{/* A Role and its binding to the controller: a dict of root, namespace, name and rules. */}}
{{- define "haldane.role" -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: {{ .name }}
  namespace: {{ .namespace }}
  labels:
    {{- include "haldane.labels" (list .root "controller") | nindent 4 }}
rules:
  {{- .rules | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: {{ .name }}
  namespace: {{ .namespace }}
  labels:
    {{- include "haldane.labels" (list .root "controller") | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: {{ .name }}
subjects:
  {{- include "haldane.controller.subject" .root | nindent 2 }}
{{- end -}}

{{- define "haldane.controller.subject" -}}
- kind: ServiceAccount
  name: {{ include "haldane.controller.name" . }}
  namespace: {{ .Release.Namespace }}
{{- end -}}
