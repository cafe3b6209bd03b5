#!/usr/bin/env bash
# Builds the image with whatever is there: docker, podman or buildah. Usage: deploy/image.sh [NAME:TAG]
# ENGINE=podman chooses one, PUSH=1 also pushes the image, DRY_RUN=1 only shows the commands.
set -euo pipefail
cd "$(dirname "$0")/.."
version=$(sed -n 's/^__version__ = "\(.*\)"/\1/p' src/pilotfish/__init__.py)
image=${1:-${IMAGE:-pilotfish:$version}}
engine=${ENGINE:-$(deploy/engine.sh)}
run() { echo "+ $*" >&2; [ -n "${DRY_RUN:-}" ] || "$@"; }

case $engine in
  docker) run docker build --tag "$image" . ;;
  # As Docker's, since Kubernetes' nodes and older registries read that everywhere.
  podman) run podman build --format docker --tag "$image" . ;;
  buildah) run buildah build --format docker --tag "$image" . ;;
  *) echo "image: ENGINE is docker, podman or buildah, found '$engine'" >&2; exit 2 ;;
esac
if [ -n "${PUSH:-}" ]; then run "$engine" push "$image"; fi
echo "$image"
