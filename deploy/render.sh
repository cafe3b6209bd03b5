#!/usr/bin/env bash
# Makes the plain manifests anew from the chart: deploy/render.sh [HELM]. A test compares what is here with what it would make.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
"${1:-helm}" template pilotfish "$here/../charts/pilotfish" --namespace pilotfish-system --no-hooks --skip-tests --kube-version 1.29.0 \
  | grep -vE '^ +(helm\.sh/chart|app\.kubernetes\.io/managed-by): ' >"${OUT:-$here/injector/injector.yaml}"
