#!/usr/bin/env bash
# Prints which of docker, podman and buildah can build an image here: the first that is there and works.
set -uo pipefail
if command -v docker >/dev/null && docker info >/dev/null 2>&1; then echo docker; exit; fi
if command -v podman >/dev/null && podman info >/dev/null 2>&1; then echo podman; exit; fi
if command -v buildah >/dev/null; then echo buildah; exit; fi
if command -v docker >/dev/null; then
  echo "engine: docker is there, but its daemon does not answer; start it, or install podman or buildah" >&2
else
  echo "engine: none of docker, podman and buildah is in PATH; one of them is needed to build an image" >&2
fi
exit 1
