# The WebGPU backend: webgpu.h, and the WGSL files of src/gpu/kernels as C strings.
#
# X.wgsl becomes `const char gpu_source_X[]`, declared in gpu/sources.h. The library, wgpu-native, is
# opened at run time (src/gpu/api.h): a copy stands beside the command.

set(webgpu ${BRINK_DEPS}/wgpu)
if(NOT EXISTS ${webgpu}/webgpu.h)
    message(FATAL_ERROR "${webgpu}/webgpu.h is missing: run make setup")
endif()
file(GLOB kernels CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/src/gpu/kernels/*.wgsl)
set(folder ${CMAKE_CURRENT_BINARY_DIR}/wgsl)
set(sources ${folder}/gpu/sources.h ${folder}/sources.c)
add_custom_command(OUTPUT ${sources}
    COMMAND ${CMAKE_COMMAND} "-DKERNELS=${kernels}" -DFOLDER=${folder}
        -P ${CMAKE_CURRENT_SOURCE_DIR}/cmake/wgsl.cmake
    DEPENDS ${kernels} ${CMAKE_CURRENT_SOURCE_DIR}/cmake/wgsl.cmake VERBATIM)
target_sources(brink_objects PRIVATE ${sources})
target_include_directories(brink_objects SYSTEM PRIVATE ${webgpu})
target_include_directories(brink_objects PRIVATE ${folder})
target_compile_definitions(brink_objects PRIVATE BRINK_GPU=1)
if(BRINK_WASM)
    # what script reads of webgpu.h lies where it thinks
    set(layout ${CMAKE_CURRENT_SOURCE_DIR}/web/sdk/src/worker/webgpu_layout.ts)
    set(check ${CMAKE_CURRENT_SOURCE_DIR}/cmake/webgpu_layout.cmake)
    add_custom_command(OUTPUT ${folder}/layout.c
        COMMAND ${CMAKE_COMMAND} -DLAYOUT=${layout} -DOUT=${folder}/layout.c -P ${check}
        DEPENDS ${layout} ${check} VERBATIM)
    target_sources(brink_objects PRIVATE ${folder}/layout.c)
endif()
if(BRINK_CLI_DIR AND EXISTS ${webgpu}/libwgpu_native-release.so)
    configure_file(${webgpu}/libwgpu_native-release.so ${BRINK_CLI_DIR}/libwgpu_native.so COPYONLY)
endif()
