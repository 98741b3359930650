# An image that runs the pipeline: see docs/packaging.md. The steps are in docker/steps.sh, which
# tests run without Docker.
#
#   docker build -t pmd_pipeline .
#   docker run --rm -v "$PWD/mine:/work" pmd_pipeline --env smoke

FROM python:3.11-slim AS build
COPY docker/steps.sh /opt/pmd_pipeline/
COPY pyproject.toml README.md LICENSE constraints.txt /source/
COPY src /source/src
COPY conf /source/conf
RUN /opt/pmd_pipeline/steps.sh build /source /opt/pmd_pipeline/dist

FROM python:3.11-slim
# Options of pip for torch alone, such as an index with builds for CPUs, which are smaller.
ARG TORCH_OPTIONS=""
# Optional parts of the package, such as remote,ray,lora.
ARG EXTRAS="remote"
ENV DO_NOT_TRACK=1 PYTHONUNBUFFERED=1 HOME=/tmp
COPY docker/steps.sh /opt/pmd_pipeline/
COPY --from=build /opt/pmd_pipeline/dist /opt/pmd_pipeline/dist
RUN /opt/pmd_pipeline/steps.sh install /opt/pmd_pipeline/dist /opt/pmd_pipeline/venv
# Whoever runs it, with --user, writes to the mounted folder alone.
RUN mkdir /work && chmod 777 /work
WORKDIR /work
VOLUME /work
ENTRYPOINT ["/opt/pmd_pipeline/steps.sh", "run", "/opt/pmd_pipeline/dist", "/opt/pmd_pipeline/venv"]
