#!/usr/bin/env bash
# A kind cluster with the image and the chart in it, and a namespace that may use it. Usage: deploy/kind.sh
# CLUSTER=pilotfish names the cluster, APPLICATIONS=shop the namespace; ENGINE and DRY_RUN as for deploy/image.sh.
set -euo pipefail
cd "$(dirname "$0")/.."
cluster=${CLUSTER:-pilotfish}
namespace=${APPLICATIONS:-shop}
run() { echo "+ $*" >&2; [ -n "${DRY_RUN:-}" ] || "$@"; }
for program in kind helm kubectl; do
  command -v "$program" >/dev/null || { echo "kind: $program is not in PATH" >&2; exit 1; }
done
engine=${ENGINE:-$(deploy/engine.sh)}
export ENGINE=$engine
if [ "$engine" = podman ]; then export KIND_EXPERIMENTAL_PROVIDER=podman; fi

image=$(deploy/image.sh)
if ! kind get clusters 2>/dev/null | grep -qx "$cluster"; then run kind create cluster --name "$cluster"; fi

# A node looks for a name without a registry at docker.io, so that is what the image is called there.
if [ "$engine" = docker ]; then
  run kind load docker-image "$image" --name "$cluster"
else
  archive=$(mktemp --suffix .tar)
  trap 'rm -f "$archive"' EXIT
  rm "$archive" # neither of them writes over a file
  if [ "$engine" = podman ]; then
    run podman tag "$image" "docker.io/library/$image"
    run podman save --output "$archive" "docker.io/library/$image"
  else
    run buildah push "$image" "docker-archive:$archive:docker.io/library/$image"
  fi
  run kind load image-archive "$archive" --name "$cluster"
fi

at=(--context "kind-$cluster")
if ! kubectl "${at[@]}" get namespace "$namespace" >/dev/null 2>&1; then run kubectl "${at[@]}" create namespace "$namespace"; fi
run helm upgrade --install pilotfish charts/pilotfish --kube-context "kind-$cluster" --namespace pilotfish-system --create-namespace \
  --set "image.repository=${image%:*}" --set "image.tag=${image##*:}" --set "rbac.namespaces={$namespace}" --wait
