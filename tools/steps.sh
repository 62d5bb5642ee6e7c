# Numbered steps with elapsed time, on stderr; sourced by set-up.sh and .ci/run. On a terminal one line is redrawn, else
# there is a plain line now and then. The full output of every command goes to $qk_log.
#
#   qk_steps 3                      how many there will be
#   qk_step "Build"                 begins the next one
#   qk_run FILTER COMMAND...        runs a command; FILTER turns $line into $shown (empty: leave the display alone)
#   qk_say TEXT                     a line that stays
#   qk_end [TEXT]                   ends the step; qk_fail TEXT ends the program

qk_step_number=0
qk_step_count=0
qk_timings=()

qk_steps() { qk_step_count=$1; }

qk_clock() {  # seconds as 45 s or 3:07 min
  local seconds=$1
  if ((seconds < 100)); then printf '%d s' "$seconds"; else printf '%d:%02d min' $((seconds / 60)) $((seconds % 60)); fi
}

qk_head() { printf '[%d/%d] %s' "$qk_step_number" "$qk_step_count" "$qk_step_title"; }

qk_draw() {
  local now=$((SECONDS - qk_step_start))
  if [[ -t 2 ]]; then
    local text
    text="$(qk_head)  $(qk_clock $now)  $qk_shown"
    printf '\r\033[K%s' "${text:0:$((${COLUMNS:-$(tput cols 2>/dev/null || echo 80)} - 1))}" >&2
  elif ((SECONDS >= qk_next_line)); then
    printf '      %s  %s\n' "$(qk_clock $now)" "$qk_shown" >&2
    qk_next_line=$((SECONDS + 20))
  fi
}

qk_step() {
  qk_step_number=$((qk_step_number + 1))
  qk_step_title=$1
  qk_step_start=$SECONDS
  qk_next_line=$((SECONDS + 20))
  qk_shown=
  printf '\n=== %s\n' "$(qk_head)" >>"$qk_log"
  if [[ -t 2 ]]; then qk_draw; else printf '%s ...\n' "$(qk_head)" >&2; fi
}

qk_say() {
  [[ ! -t 2 ]] || printf '\r\033[K' >&2
  printf '      %s\n' "$1" >&2
  printf '%s\n' "$1" >>"$qk_log"
}

qk_end() {
  local took=$((SECONDS - qk_step_start))
  qk_timings+=("$(printf '%8s  %s' "$(qk_clock $took)" "$qk_step_title")")
  [[ ! -t 2 ]] || printf '\r\033[K' >&2
  printf '%s: %s, %s\n' "$(qk_head)" "${1:-done}" "$(qk_clock $took)" >&2
}

qk_fail() {
  [[ ! -t 2 ]] || printf '\r\033[K' >&2
  printf '%s: FAILED\n%s\n' "$(qk_head)" "$1" >&2
  exit 1
}

qk_run() {
  local filter=$1 line=
  shift
  printf '+ %s\n' "$*" >>"$qk_log"
  local output
  exec {output}< <("$@" 2>&1 </dev/null)
  local command_pid=$!
  while true; do
    local part=
    if IFS= read -r -t 1 -u "$output" part; then
      line+=$part
      printf '%s\n' "$line" >>"$qk_log"
      local shown=
      $filter
      [[ -z $shown ]] || qk_shown=$shown
      line=
    elif (($? > 128)); then
      line+=$part
    else
      break
    fi
    qk_draw
  done
  exec {output}<&-
  wait "$command_pid"
}

# What happened last, for messages.
qk_log_end() { printf 'The end of %s:\n' "$qk_log"; tail -n "${1:-25}" "$qk_log" | sed 's/^/  | /'; }

qk_show_nothing() { :; }
qk_show_line() { shown=${line:0:100}; }
