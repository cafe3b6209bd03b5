#!/usr/bin/env bash
# Makes the plain manifests and the plain alerts anew from the chart: deploy/render.sh [HELM]. A test compares what is here with what it
# would make.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
chart=$here/../charts/pilotfish
"${1:-helm}" template pilotfish "$chart" --namespace pilotfish-system --no-hooks --skip-tests --kube-version 1.29.0 \
  | grep -vE '^ +(helm\.sh/chart|app\.kubernetes\.io/managed-by): ' >"${OUT:-$here/injector/injector.yaml}"
{
  echo "# For Prometheus without the operator (rule_files): what the chart renders with the objectives of its values.yaml. Made by deploy/render.sh."
  "${1:-helm}" template pilotfish "$chart" --api-versions monitoring.coreos.com/v1 --set prometheusRule.enabled=true \
    --show-only templates/monitoring.yaml | sed -n '/^spec:/,$s/^  //p'
} >"${ALERTS:-$here/alerts.yaml}"
