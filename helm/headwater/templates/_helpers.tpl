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

{{- /* The settings as the program reads them, so that a comment is none; what it must not hold is refused. */ -}}
{{- define "headwater.settings" -}}
{{- $text := required "`settings` is empty: give the configuration file, for example by --set-file settings=headwater.toml (`headwater config --default` prints one)" .Values.settings -}}
{{- $settings := fromToml $text -}}
{{- with $settings.Error -}}
{{- fail (printf "`settings` is not TOML (%s)" (regexFind "line [0-9]+" .)) -}}
{{- end -}}
{{- $remedy := "it would stand in a ConfigMap; take it from existingSecret, or from a Secret in extraEnv" -}}
{{- range $path := list "source.password" "checkpoint.mysql.password" "mask.hash_salt" -}}
{{- if include "headwater.ofSettings" (list $settings $path) -}}
{{- fail (printf "`settings` has %s: %s" $path $remedy) -}}
{{- end -}}
{{- end -}}
{{- range $path := list "source.url" "checkpoint.mysql.url" -}}
{{- if regexMatch "://[^:/@]*:.*@" (include "headwater.ofSettings" (list $settings $path)) -}}
{{- fail (printf "`settings` has a password in %s: %s" $path $remedy) -}}
{{- end -}}
{{- end -}}
{{- $settings | toJson -}}
{{- end -}}

{{- /* The value at a path of the settings; empty when there is none. */ -}}
{{- define "headwater.ofSettings" -}}
{{- $found := first . -}}
{{- range splitList "." (last .) -}}
{{- $found = ternary (get (ternary $found dict (kindIs "map" $found)) .) "" (kindIs "map" $found) -}}
{{- end -}}
{{- $found -}}
{{- end -}}

{{- /* The value that counts, as text: extraEnv wins over the settings. Takes the context, the path, the default. */ -}}
{{- define "headwater.setting" -}}
{{- $root := index . 0 -}}
{{- $path := index . 1 -}}
{{- $value := include "headwater.ofSettings" (list (include "headwater.settings" $root | fromJson) $path) | default (index . 2 | toString) -}}
{{- $variable := printf "HEADWATER__%s" ($path | upper | replace "." "__") -}}
{{- range $root.Values.extraEnv -}}
{{- if eq .name $variable -}}
{{- if hasKey . "valueFrom" -}}
{{- fail (printf "extraEnv takes %s from elsewhere, but the chart must know it; give it as a value, or %s in the settings" $variable $path) -}}
{{- end -}}
{{- $value = .value | toString -}}
{{- end -}}
{{- end -}}
{{- $value -}}
{{- end -}}

{{- define "headwater.graceSecs" -}}
{{- include "headwater.setting" (list . "shutdown.grace_secs" 25) | replace "_" "" -}}
{{- end -}}

{{- define "headwater.terminationGrace" -}}
{{- $grace := include "headwater.graceSecs" . | int -}}
{{- $wanted := .Values.terminationGracePeriodSeconds -}}
{{- if kindIs "invalid" $wanted -}}
{{- add $grace 15 -}}
{{- else if le (int $wanted) $grace -}}
{{- fail (printf "terminationGracePeriodSeconds is %d, but shutdown.grace_secs is %d: a drain would be cut short; raise the first above the second, or leave it empty" (int $wanted) $grace) -}}
{{- else -}}
{{- int $wanted -}}
{{- end -}}
{{- end -}}

{{- /* With a file on a volume of its own each pod would stream by itself. */ -}}
{{- define "headwater.replicas" -}}
{{- $replicas := int .Values.replicas -}}
{{- $store := include "headwater.setting" (list . "checkpoint.type" "file") -}}
{{- if and (gt $replicas 1) (eq $store "file") -}}
{{- fail (printf "replicas is %d, but checkpoint.type is \"file\": every pod would have its own and write every change; set checkpoint.type to \"mysql\" or \"dynamodb\" (docs/high-availability.md), or replicas to 1" $replicas) -}}
{{- end -}}
{{- $replicas -}}
{{- end -}}

{{- /* Whether something is kept in files: the checkpoint, the sink, dead letters. */ -}}
{{- define "headwater.keepsFiles" -}}
{{- $store := include "headwater.setting" (list . "checkpoint.type" "file") -}}
{{- $sink := include "headwater.setting" (list . "sink.type" "") -}}
{{- if or (eq $store "file") (eq $sink "file") (include "headwater.setting" (list . "errors.dead_letter_path" "")) -}}
true
{{- end -}}
{{- end -}}

{{- /* The selector's labels decide which pods are ours, so none of the chart's own can be set otherwise. */ -}}
{{- define "headwater.podLabels" -}}
{{- $own := include "headwater.labels" . | fromYaml -}}
{{- range $label := keys .Values.podLabels | sortAlpha -}}
{{- if hasKey $own $label -}}
{{- fail (printf "podLabels has %s, which is the chart's own: remove it" $label) -}}
{{- end -}}
{{- end -}}
{{- merge $own .Values.podLabels | toYaml -}}
{{- end -}}
