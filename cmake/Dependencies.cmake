set(QK_DEPS "${CMAKE_SOURCE_DIR}/.deps" CACHE PATH "Folder with torch/ and arrow/ (include, lib)")

find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(GTest REQUIRED)
find_package(CLI11 REQUIRED)
include(GoogleTest)

add_library(qk_cli11 INTERFACE)
target_link_libraries(qk_cli11 INTERFACE CLI11::CLI11)

add_library(qk_b2 INTERFACE)
target_link_libraries(qk_b2 INTERFACE b2)

add_library(qk_yaml INTERFACE)
target_link_libraries(qk_yaml INTERFACE yaml-cpp)

add_library(qk_torch INTERFACE)
target_include_directories(qk_torch SYSTEM INTERFACE "${QK_DEPS}/torch/include" "${QK_DEPS}/torch/include/torch/csrc/api/include")
target_link_libraries(qk_torch INTERFACE "${QK_DEPS}/torch/lib/libtorch_cpu.so" "${QK_DEPS}/torch/lib/libc10.so" "${QK_DEPS}/torch/lib/libgomp.so.1")
target_link_options(qk_torch INTERFACE "LINKER:-rpath,${QK_DEPS}/torch/lib" "LINKER:-rpath-link,${QK_DEPS}/torch/lib" "LINKER:--disable-new-dtags")

add_library(qk_arrow INTERFACE)
target_include_directories(qk_arrow SYSTEM INTERFACE "${QK_DEPS}/arrow/include")
target_link_libraries(qk_arrow INTERFACE "${QK_DEPS}/arrow/lib/libparquet.so.2500" "${QK_DEPS}/arrow/lib/libarrow.so.2500")
target_link_options(qk_arrow INTERFACE "LINKER:-rpath,${QK_DEPS}/arrow/lib" "LINKER:--disable-new-dtags")
