{{- define "headwater.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{- /* A StatefulSet's name is part of a label on its pods: at most 52 characters, as a hash is added. */ -}}
{{- define "headwater.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "headwater.name" . -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "headwater.selector" -}}
app.kubernetes.io/name: {{ include "headwater.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "headwater.labels" -}}
{{ include "headwater.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "headwater.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "headwater.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "headwater.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end -}}

{{- /* shutdown.grace_secs as the settings have it, or the program's default. */ -}}
{{- define "headwater.graceSecs" -}}
{{- $line := regexFind "(?m)^[^#\\n]*\\bgrace_secs\\s*=\\s*[0-9_]+" .Values.settings -}}
{{- if $line -}}
{{- regexFind "[0-9_]+$" $line | replace "_" "" -}}
{{- else -}}
25
{{- end -}}
{{- end -}}

{{- define "headwater.terminationGrace" -}}
{{- $grace := include "headwater.graceSecs" . | int -}}
{{- $wanted := .Values.terminationGracePeriodSeconds -}}
{{- if kindIs "invalid" $wanted -}}
{{- add $grace 15 -}}
{{- else if le (int $wanted) $grace -}}
{{- fail (printf "terminationGracePeriodSeconds is %d, but shutdown.grace_secs in the settings is %d: a drain would be cut short; raise the first above the second, or leave it empty" (int $wanted) $grace) -}}
{{- else -}}
{{- int $wanted -}}
{{- end -}}
{{- end -}}

{{- /* With a file on a volume of its own each pod would stream by itself. */ -}}
{{- define "headwater.replicas" -}}
{{- $replicas := int .Values.replicas -}}
{{- if and (gt $replicas 1) (not (regexMatch "type\\s*=\\s*[\"'](mysql|dynamodb)[\"']" .Values.settings)) -}}
{{- fail (printf "replicas is %d, but checkpoint.type in the settings is a file: every pod would have its own and write every change; set checkpoint.type to \"mysql\" or \"dynamodb\" (docs/high-availability.md), or replicas to 1" $replicas) -}}
{{- end -}}
{{- $replicas -}}
{{- end -}}
