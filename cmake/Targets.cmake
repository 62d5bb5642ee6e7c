# qk_library(folder SOURCES a.cpp ... DEPENDS qk_base qk_torch ...)   one static library per folder
# qk_test(folder/file_test.cpp DEPENDS qk_x ... [LABELS unit])        one executable per test file

function(qk_flags target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Werror)
  target_include_directories(${target} PUBLIC "${CMAKE_SOURCE_DIR}")
endfunction()

function(qk_library folder)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS" ${ARGN})
  add_library(qk_${folder} STATIC ${ARG_SOURCES})
  target_link_libraries(qk_${folder} PUBLIC ${ARG_DEPENDS})
  qk_flags(qk_${folder})
endfunction()

function(qk_test source)
  cmake_parse_arguments(ARG "" "" "DEPENDS;LABELS" ${ARGN})
  string(REGEX REPLACE "/" "_" name "${source}")
  string(REGEX REPLACE "\\.cpp$" "" name "${name}")
  add_executable(${name} ${source})
  target_link_libraries(${name} PRIVATE ${ARG_DEPENDS} GTest::gtest_main GTest::gmock)
  target_compile_definitions(${name} PRIVATE QK_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
  qk_flags(${name})
  if(NOT ARG_LABELS)
    set(ARG_LABELS unit)
  endif()
  gtest_discover_tests(${name} PROPERTIES LABELS "${ARG_LABELS}" DISCOVERY_TIMEOUT 60)
endfunction()
