# QK_CUDA_KERNELS: whether kernels/device/*.cu are compiled, which takes a CUDA build of libtorch and a CUDA compiler.
# Without them the same program runs on a CPU; on a GPU it needs them only to be fast (kernels/device/absent.cpp).

set(QK_CUDA_KERNELS OFF)
set(qk_torch_definitions "")
if(TARGET qk_torch)
  get_target_property(qk_torch_definitions qk_torch INTERFACE_COMPILE_DEFINITIONS)
endif()
if(qk_torch_definitions MATCHES "QK_WITH_CUDA")
  include(CheckLanguage)
  check_language(CUDA)
  if(CMAKE_CUDA_COMPILER)
    if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
      set(CMAKE_CUDA_ARCHITECTURES 80-real 90)
    endif()
    set(CMAKE_CUDA_STANDARD 17)  # the newest that CMake 3.25 knows of current compilers
    enable_language(CUDA)
    set(QK_CUDA_KERNELS ON)
    qk_say_found("CUDA compiler" "${CMAKE_CUDA_COMPILER_VERSION}" "${CMAKE_CUDA_COMPILER}")
  else()
    message(WARNING "libtorch has CUDA, but there is no CUDA compiler: GPU runs will be slower. Install the CUDA toolkit "
      "that fits libtorch and set CUDACXX to its nvcc")
  endif()
endif()
