# Set-up and build; sourced by ./sniff-qk, ./test and tools/setup.
#
# Settings (environment):
#   QK_TORCH, QK_ARROW   auto (default), download, for torch cuda, or the folder of an installed torch or
#                        pyarrow
#   QK_DEPS              where libtorch and Arrow are put (default .deps in the repository)
#   QK_CACHE             where downloads are kept, keyed by hash (default ~/.cache/sniff-qk)
#   QK_BUNDLE            a folder made by tools/bundle, in place of system packages and Rust
#   QK_INSTALL           no: install no system packages, only say which are missing
#   QK_JOBS              how many compilations and tests at a time (default: all cores)

QK_DEPS=${QK_DEPS:-$qk_root/.deps}
QK_JOBS=${QK_JOBS:-$(nproc)}
qk_log=$qk_root/build/set-up.log
mkdir -p "$qk_root/build"
. "$qk_root/tools/steps.sh"
. "$qk_root/tools/stamp.sh"

qk_libraries=(libfmt-dev nlohmann-json3-dev libyaml-cpp-dev libcli11-dev libssl-dev libb2-dev zlib1g-dev libzstd-dev
  libcurl4-openssl-dev libgmock-dev)

qk_has() { command -v "$1" >/dev/null; }

qk_has_rust() {
  local cargo version
  cargo=$(command -v cargo || command -v "${CARGO_HOME:-$HOME/.cargo}/bin/cargo") || return 1
  version=$("$cargo" --version 2>/dev/null) || return 1
  [[ $version =~ ([0-9]+)\.([0-9]+) ]] && ((BASH_REMATCH[1] > 1 || BASH_REMATCH[2] >= 85))
}

# Sets qk_missing to the Debian packages that aren't there; arguments: packages wanted beside those of the build.
qk_find_missing() {
  qk_missing=()
  qk_has c++ || qk_missing+=(g++)
  qk_has cmake || qk_missing+=(cmake)
  qk_has ninja || qk_missing+=(ninja-build)
  qk_has python3 || qk_missing+=(python3)
  if ! qk_has pip3 && ! qk_has pip && ! python3 -m pip --version &>/dev/null; then qk_missing+=(python3-pip); fi
  local wanted=("$@") package
  if [[ -z ${QK_BUNDLE:-} ]]; then
    wanted+=("${qk_libraries[@]}")
    qk_has_rust || qk_missing+=(cargo-web rustc-web)
  fi
  qk_has dpkg-query || return 0  # another distribution: CMake says what it doesn't find
  for package in "${wanted[@]}"; do
    [[ $(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || qk_missing+=("$package")
  done
}

qk_show_apt() {
  case $line in
    dlstatus:*) IFS=: read -r _ _ percent _ <<<"$line"; shown="downloading ${percent%%.*} %" ;;
    pmstatus:*) IFS=: read -r _ package percent _ <<<"$line"; shown="installing ${percent%%.*} %: $package" ;;
    Get:* | Hit:*) shown="package lists" ;;
  esac
}

# qk_cannot_install REASON [sudo]: names what to run and ends.
qk_cannot_install() {
  local as=${2:+sudo }
  qk_fail "Missing system packages, and $1. To install them$([[ $as ]] || echo ", as root"):

  ${as}apt-get update && ${as}apt-get install -y --no-install-recommends ${qk_missing[*]}

Then start again. (Where that can't be done: docs/build.md, \"Without network or root\".)"
}

qk_install() {
  local as=() sudo=
  ((EUID == 0)) || ! qk_has sudo || sudo=sudo
  [[ ${QK_INSTALL:-} != no ]] || qk_cannot_install "QK_INSTALL=no says not to install them" $sudo
  qk_has apt-get || qk_fail "Missing: ${qk_missing[*]} (the names are Debian's), and there is no apt-get to install them."
  if ((EUID != 0)); then
    [[ $sudo ]] || qk_cannot_install "installing them needs root (there is no sudo here)"
    if ! sudo -n true 2>/dev/null; then
      [[ -t 0 && -t 2 ]] || qk_cannot_install "sudo would ask for a password, but there is no terminal" sudo
      qk_say "sudo asks for your password, to install ${qk_missing[*]}"
      sudo -v || qk_cannot_install "sudo refused" sudo
    fi
    as=(sudo -n)
  fi
  qk_say "installing ${qk_missing[*]}"
  local apt=("${as[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -y -o APT::Status-Fd=1 -o DPkg::Lock::Timeout=600)
  qk_run qk_show_apt "${apt[@]}" update || qk_say "apt-get update failed; trying with the package lists there are"
  qk_run qk_show_apt "${apt[@]}" install --no-install-recommends --no-remove "${qk_missing[@]}" ||
    qk_cannot_install "apt-get failed: $(grep -a '^E: ' "$qk_log" | tail -n 2 | tr '\n' ' ')" $sudo
}

qk_step_packages() {
  qk_step "System packages"
  qk_find_missing "$@"
  if ((${#qk_missing[@]})); then
    qk_install
    qk_end "installed"
  else
    qk_end "all there"
  fi
}

qk_show_wheels() {
  case $line in
    "progress "*) shown=${line#progress } ;;
    "say "*) qk_say "${line#say }" ;;
  esac
}

qk_step_libraries() {
  qk_step "libtorch and Arrow"
  qk_run qk_show_wheels python3 -B "$qk_root/tools/wheels.py" --prefix "$QK_DEPS" \
    --torch "${QK_TORCH:-auto}" --arrow "${QK_ARROW:-auto}" || qk_fail "$(qk_log_end 6)"
  qk_end
}

qk_show_cmake() { [[ $line != "-- "* ]] || shown=${line#-- }; }

qk_show_ninja() {
  if [[ $line =~ ^\[([0-9]+)/([0-9]+)\]\ (.*) ]]; then
    local file=${BASH_REMATCH[3]##*/}
    shown="${BASH_REMATCH[1]} of ${BASH_REMATCH[2]}: ${file%.o}"
  elif [[ $line =~ ^\ +(Compiling|Downloaded|Downloading)\ (.*) ]]; then
    shown="cargo: ${BASH_REMATCH[2]%% (*}"
  fi
}

# qk_step_configure PRESET [cmake arguments]
qk_step_configure() {
  local preset=$1
  shift
  qk_step "Configure ($preset)"
  local strict=OFF  # a newer compiler's new warning is no reason to fail on a user's machine
  [[ ${CI:-} != true ]] || strict=ON
  qk_run qk_show_cmake cmake -S "$qk_root" --preset "$preset" "-DQK_DEPS=$QK_DEPS" "-DQK_BUNDLE=${QK_BUNDLE:-}" \
    "-DQK_WARNINGS_AS_ERRORS=$strict" "$@" ||
    qk_fail "$(qk_log_end 30)"
  qk_end
}

# qk_step_build PRESET TARGET...
qk_step_build() {
  local preset=$1
  shift
  qk_step "Build ($preset)"
  qk_run qk_show_ninja cmake --build "$qk_root/build/$preset" --parallel "$QK_JOBS" --target "$@" ||
    qk_fail "$(grep -aE '(^FAILED|error:|error\[|undefined reference|^  *-->)' "$qk_log" | tail -n 12 | cut -c 1-200)
The whole output: $qk_log"
  qk_end
}

# One set-up at a time in a clone; a second one waits.
qk_lock() {
  qk_has flock || return 0
  exec 9>"$qk_root/build/.lock"
  flock -n 9 || { printf '%s\n' "Another set-up or build runs in $qk_root; waiting for it." >&2; flock 9; }
  : >"$qk_log"
}

# Before the program runs: it inherits open files, and another set-up may begin.
qk_unlock() { exec 9>&-; }
