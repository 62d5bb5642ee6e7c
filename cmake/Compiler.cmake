# What the presets choose beyond CMake's own build types.

set(QK_SANITIZE "" CACHE STRING "Sanitizers of the whole build, such as address,undefined; empty: none")
if(QK_SANITIZE)
  # vptr checks need typeinfo that the prebuilt libraries hide.
  add_compile_options(-fsanitize=${QK_SANITIZE} -fno-sanitize=vptr -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${QK_SANITIZE})
endif()

find_program(QK_CCACHE ccache)
mark_as_advanced(QK_CCACHE)
if(QK_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${QK_CCACHE}")
endif()
