# Whether build/release/sniff-qk is what the sources and settings ask for; sourced by ./sniff-qk and tools/set-up.sh. Costs
# a few milliseconds, where asking the build tool would cost a hundred.
#
# The stamp's first line holds the settings of the build, the others the libraries that may vanish (.deps deleted, an
# environment removed); its time is that of the build's beginning.
qk_binary=$qk_root/build/release/sniff-qk
qk_stamp=$qk_root/build/release/built.stamp

qk_settings() { printf '%s' "${QK_TORCH:-auto} ${QK_ARROW:-auto} ${QK_DEPS:-$qk_root/.deps} ${QK_BUNDLE:-}"; }

qk_is_built() {
  [[ -x $qk_binary && -f $qk_stamp ]] || return 1
  local lines library
  mapfile -t lines <"$qk_stamp"
  [[ ${lines[0]} == "$(qk_settings)" ]] || return 1
  for library in "${lines[@]:1}"; do
    [[ -e $library ]] || return 1
  done
  local sources=("$qk_root"/{CMakeLists.txt,CMakePresets.json,cmake,sniff.cpp,base,checkpoint,tokenizer,source,saver,kernels,models,sniffer,parallel,report,verify,commands,tools/wheels.lock})
  [[ ! -d $qk_root/hub ]] || sources+=("$qk_root/hub")
  [[ -z $(find "${sources[@]}" -newer "$qk_stamp" -print -quit) ]]
}

qk_begin_stamp() {
  mkdir -p "${qk_stamp%/*}"
  rm -f "$qk_stamp"
  : >"$qk_stamp.begun"
}

qk_end_stamp() {
  {
    printf '%s\n' "$(qk_settings)"
    ldd "$qk_binary" | sed -nE 's/.*=> (.*lib(torch_cpu|c10|arrow|parquet)\.so[^ ]*) .*/\1/p'
  } >"$qk_stamp.new"
  touch -r "$qk_stamp.begun" "$qk_stamp.new"
  mv "$qk_stamp.new" "$qk_stamp"
  rm "$qk_stamp.begun"
}
