# The WebAssembly module: the engine and web/native (the entry points that script calls).
#
# It is a reactor: the host calls _initialize() once, then exports in any order. What is exported:
# functions marked export_name, and the names in wasm_exports.txt. What is imported: memory (in
# the threaded builds), a few functions of wasi_snapshot_preview1, and those of webgpu.h that the
# engine calls (src/gpu/api.h); tests/wasm checks the list. The table of functions is exported for
# WebGPU's callbacks.
#
# Threads: the memory is shared and imported. A worker instantiates the same module on it, sets
# __stack_pointer to a stack of its own, calls __wasm_init_tls() on a block of __tls_size bytes
# and then an export; _initialize() is for the first instance only. The C library is the
# single-threaded one: only the first instance may call malloc, free or stdio.

set(BRINK_WASM_DIR "${CMAKE_BINARY_DIR}/web" CACHE PATH "Where the module is put")
set(BRINK_WASM_NAME "brink" CACHE STRING "The module's name without .wasm")
option(BRINK_WASM_RELAXED "Use relaxed SIMD" OFF)
option(BRINK_WASM_THREADS "Shared memory and atomics" OFF)

file(GLOB BRINK_WASM_SOURCES CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/web/native/*.c)
set(module ${CMAKE_CURRENT_BINARY_DIR}/${BRINK_WASM_NAME}.wasm)
add_executable(brink_wasm ${BRINK_WASM_SOURCES} ${BRINK_ALL_OBJECTS})
set_target_properties(brink_wasm PROPERTIES OUTPUT_NAME ${BRINK_WASM_NAME} LINKER_LANGUAGE C)
target_include_directories(brink_wasm PRIVATE include)
target_link_libraries(brink_wasm PRIVATE brink_flags)
brink_source_flags(${BRINK_WASM_SOURCES})

# One C library serves all modules: compiled with atomics allowed, which shared memory asks for. It
# contains no atomic instruction (wasm-opt refuses one in the modules without threads).
set(features generic+simd128+bulk_memory+sign_ext+nontrapping_fptoint+mutable_globals)
set(libc ${features}+atomics)
if(BRINK_WASM_THREADS)
    string(APPEND features +atomics)
endif()
if(BRINK_WASM_RELAXED)
    string(APPEND features +relaxed_simd)
endif()
foreach(target brink_objects brink_yyjson brink_utf8proc brink_wasm)
    target_compile_options(${target} PRIVATE --target=wasm32-wasi -mcpu=${features}
        -fno-sanitize=undefined -fvisibility=hidden -ffunction-sections -fdata-sections)
endforeach()

file(STRINGS ${CMAKE_CURRENT_SOURCE_DIR}/cmake/wasm_exports.txt exports REGEX "^[a-z_]")
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS
    ${CMAKE_CURRENT_SOURCE_DIR}/cmake/wasm_exports.txt)
list(TRANSFORM exports PREPEND "-Wl,--export=")
target_link_options(brink_wasm PRIVATE --target=wasm32-wasi -mcpu=${libc} -mexec-model=reactor
    -O3 -s -Wl,--gc-sections -Wl,-z,stack-size=1048576 -Wl,--initial-memory=8388608
    -Wl,--export-table ${exports})
if(BRINK_WASM_THREADS)
    # at most 65,535 pages; the host gives a memory of at least 128 and any lower maximum
    target_link_options(brink_wasm PRIVATE
        -Wl,--shared-memory -Wl,--import-memory -Wl,--max-memory=4294901760
        -Wl,--export=__stack_pointer -Wl,--export=__wasm_init_tls
        -Wl,--export=__tls_base -Wl,--export=__tls_size -Wl,--export=__tls_align)
endif()

# Into BRINK_WASM_DIR, through wasm-opt where npm has put the pinned one. An older wasm-opt from
# elsewhere is never used: it breaks relaxed SIMD.
set(wasm_opt ${CMAKE_CURRENT_SOURCE_DIR}/web/node_modules/.bin/wasm-opt)
set(wasm_opt_flags -O3 --enable-simd --enable-bulk-memory --enable-sign-ext
    --enable-nontrapping-float-to-int --enable-mutable-globals --enable-multivalue
    --enable-reference-types)
if(BRINK_WASM_RELAXED)
    list(APPEND wasm_opt_flags --enable-relaxed-simd)
endif()
if(BRINK_WASM_THREADS)
    list(APPEND wasm_opt_flags --enable-threads)
endif()
set(result ${BRINK_WASM_DIR}/${BRINK_WASM_NAME}.wasm)
if(EXISTS ${wasm_opt})
    set(optimise ${wasm_opt} ${wasm_opt_flags} $<TARGET_FILE:brink_wasm> -o ${result})
else()
    set(optimise ${CMAKE_COMMAND} -E copy $<TARGET_FILE:brink_wasm> ${result})
endif()
add_custom_command(OUTPUT ${result}
    COMMAND ${CMAKE_COMMAND} -E make_directory ${BRINK_WASM_DIR}
    COMMAND ${optimise}
    DEPENDS brink_wasm VERBATIM)
add_custom_target(brink_wasm_result ALL DEPENDS ${result})

# The inner loops against the scalar ones, as a command that node's WASI runs (tests/wasm/ops.mjs).
if(NOT BRINK_WASM_THREADS)
    add_executable(brink_wasm_ops ${CMAKE_CURRENT_SOURCE_DIR}/tests/ops/ops_test.c
        ${BRINK_ALL_OBJECTS})
    set_target_properties(brink_wasm_ops PROPERTIES OUTPUT_NAME ops_test LINKER_LANGUAGE C)
    target_include_directories(brink_wasm_ops PRIVATE src include)
    target_link_libraries(brink_wasm_ops PRIVATE brink_flags)
    target_compile_options(brink_wasm_ops PRIVATE --target=wasm32-wasi -mcpu=${features}
        -fno-sanitize=undefined)
    target_link_options(brink_wasm_ops PRIVATE --target=wasm32-wasi -mcpu=${libc}
        -Wl,-z,stack-size=1048576)
endif()

# A program against webgpu.h, for the test of web/sdk's side of it (web/tests/webgpu.test.mjs).
if(NOT BRINK_WASM_THREADS AND NOT BRINK_WASM_RELAXED)
    add_executable(brink_wasm_webgpu ${CMAKE_CURRENT_SOURCE_DIR}/tests/wasm/webgpu.c)
    set_target_properties(brink_wasm_webgpu PROPERTIES OUTPUT_NAME webgpu_test)
    target_include_directories(brink_wasm_webgpu PRIVATE src)
    target_include_directories(brink_wasm_webgpu SYSTEM PRIVATE ${BRINK_DEPS}/wgpu)
    target_link_libraries(brink_wasm_webgpu PRIVATE brink_flags)
    target_compile_options(brink_wasm_webgpu PRIVATE --target=wasm32-wasi -mcpu=${features}
        -fno-sanitize=undefined)
    target_link_options(brink_wasm_webgpu PRIVATE --target=wasm32-wasi -mcpu=${libc}
        -mexec-model=reactor -Wl,--export-table -Wl,--export=malloc -Wl,--export=free)
endif()
