# What the presets choose beyond CMake's own build types.

add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-ffp-contract=off>)  # the same bits with and without fused multiply-add

set(QK_SANITIZE "" CACHE STRING "Sanitizers of the whole build, such as address,undefined; empty: none")
if(QK_SANITIZE)
  # vptr checks need typeinfo that the prebuilt libraries hide.
  add_compile_options(-fsanitize=${QK_SANITIZE} -fno-sanitize=vptr -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${QK_SANITIZE})
endif()

find_program(QK_CCACHE ccache)
mark_as_advanced(QK_CCACHE)
if(QK_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # Paths relative to the tree and precompiled headers count too: a fresh clone finds what another one compiled.
  set(CMAKE_CXX_COMPILER_LAUNCHER
    "${CMAKE_COMMAND}" -E env "CCACHE_BASEDIR=${CMAKE_SOURCE_DIR}" CCACHE_NOHASHDIR=1
    CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime "${QK_CCACHE}")
  add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-fpch-preprocess>)
endif()
