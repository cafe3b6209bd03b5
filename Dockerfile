# One image for the proxy, the gateway and the injector.
#   docker build -t pilotfish:0.1.0 .
# Runs as any user (OpenShift assigns one), needs no writable path but what is mounted.
# Tags move: a build that is to be the same tomorrow gives both by digest, as --build-arg
# PYTHON_IMAGE=python:3.11-slim-bookworm@sha256:... (docs/security.md).
ARG PYTHON_IMAGE=python:3.11-slim-bookworm
# The same Python with a C compiler beside it, for what every request goes through (setup.py).
ARG BUILD_IMAGE=python:3.11-bookworm

FROM ${BUILD_IMAGE} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /build
# The dependencies change seldom: their layer comes first. Every one by its hash, none built from source.
COPY requirements/runtime.lock requirements/
RUN python -m venv --without-pip /app \
    && python -m pip --python /app/bin/python install --require-hashes --only-binary :all: -r requirements/runtime.lock
COPY requirements/compile.lock requirements/
RUN python -m pip install --require-hashes --only-binary :all: -r requirements/compile.lock
COPY pyproject.toml setup.py README.md LICENSE ./
COPY src src
# The compiler looks at the types of the dependencies where they are installed.
RUN PILOTFISH_COMPILE=1 PYTHONPATH=$(echo /app/lib/python3.*/site-packages) \
    python -m pip wheel --no-deps --no-build-isolation --wheel-dir dist . \
    && python -m pip --python /app/bin/python install --no-deps --no-index dist/*.whl
COPY .ci/slim-image .ci/
RUN .ci/slim-image /app

FROM ${PYTHON_IMAGE}
# Modules are compiled already. A user that no passwd knows has no home, and the Kubernetes client asks for it when imported. A request body of a few MiB is not worth a system call and a page fault for each of its pages.
ENV PATH=/app/bin:$PATH \
    HOME=/ \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    MALLOC_MMAP_THRESHOLD_=33554432
COPY --from=build /app /app
# By number, so that the kubelet can see that it is not root.
USER 65532:65532
WORKDIR /
EXPOSE 14000 14001 14443
ENTRYPOINT ["pilotfish"]
CMD ["proxy"]
