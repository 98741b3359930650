#!/usr/bin/env bash
# The steps of the Dockerfile. tests/integration/test_package.py takes the same, with packages that
# are installed already:
#
#   steps.sh build SOURCE DIST    the wheel and the archive of the configuration, as `kedro package`
#   steps.sh install DIST VENV    an environment with the wheel and what it needs
#   steps.sh run DIST VENV ...    the command in the working directory, which gets a conf to edit
#
# BUILD_OPTIONS, INSTALL_OPTIONS and TORCH_OPTIONS are passed to pip; EXTRAS, such as remote,ray, are
# optional parts of the package.
set -euo pipefail

PIP=(-m pip --disable-pip-version-check)
PYTHON=${PYTHON:-python3}

build() {
    local source=$1 dist=$2
    mkdir -p "$dist"
    # shellcheck disable=SC2086
    "$PYTHON" "${PIP[@]}" wheel --quiet --no-deps ${BUILD_OPTIONS:-} --wheel-dir "$dist" "$source"
    # Without what is secret, as Kedro has it.
    tar czf "$dist/conf-pmd_pipeline.tar.gz" --exclude='conf/local/*' -C "$source" conf
    cp "$source/constraints.txt" "$dist"
}

install() {
    local dist=$1 venv=$2
    [ -x "$venv/bin/python" ] || "$PYTHON" -m venv "$venv"
    local pip=("$venv/bin/python" "${PIP[@]}" install --quiet --no-cache-dir -c "$dist/constraints.txt")
    # torch first, so that no other build of it is pulled in.
    # shellcheck disable=SC2086
    "${pip[@]}" ${INSTALL_OPTIONS:-} ${TORCH_OPTIONS:-} torch
    # shellcheck disable=SC2086
    "${pip[@]}" ${INSTALL_OPTIONS:-} "$(echo "$dist"/pmd_pipeline-*.whl)${EXTRAS:+[$EXTRAS]}"
}

run() {
    local dist=$1 venv=$2
    shift 2
    [ -d conf ] || tar xzf "$dist/conf-pmd_pipeline.tar.gz"
    exec "$venv/bin/python" -m pmd_pipeline "$@"
}

step=$1
shift
case $step in
    build | install | run) "$step" "$@" ;;
    *) echo "there is no step '$step': build, install or run" >&2; exit 2 ;;
esac
