# Compiler flags, in one place.
#
# Numbers: -ffp-contract=off, so that a*b+c rounds twice everywhere unless a kernel asks for a
# fused operation by its intrinsic. Native and wasm builds then differ only where the kernels do.
# errno and floating-point traps are nobody's interface; -ffast-math is never used.

add_library(brink_flags INTERFACE)
target_compile_definitions(brink_flags INTERFACE _GNU_SOURCE=
    $<$<CONFIG:Debug>:BRINK_DEBUG=1>)
target_compile_options(brink_flags INTERFACE
    -fno-math-errno -fno-trapping-math -ffp-contract=off
    -Wall -Wextra -Wstrict-prototypes -Wpointer-arith -Wwrite-strings
    -Wundef -Wvla -Wformat=2 -Wno-format-nonliteral -Wimplicit-fallthrough
    # gcc guesses wrong about uninitialized variables (clang-tidy looks for them), and counts a
    # local that is named like a type as shadowing
    $<IF:$<C_COMPILER_ID:GNU>,-Wshadow=local$<SEMICOLON>-Wno-maybe-uninitialized,-Wshadow>
    $<$<BOOL:${BRINK_WERROR}>:-Werror>)

if(BRINK_SANITIZE)
    # third-party code is compiled with them too, but only ours stops at the first finding
    add_compile_options(-fsanitize=${BRINK_SANITIZE} -fno-omit-frame-pointer)
    add_link_options(-fsanitize=${BRINK_SANITIZE})
    if(BRINK_SANITIZE MATCHES "undefined")
        target_compile_options(brink_flags INTERFACE -fno-sanitize-recover=undefined)
    endif()
endif()
if(BRINK_FUZZ)
    add_compile_options(-fsanitize=fuzzer-no-link)
endif()
set(CMAKE_C_FLAGS_RELEASE "-O3 -DNDEBUG")
set(CMAKE_C_FLAGS_DEBUG "-O1 -g")

# What this target's processor is: x86, arm64, wasm or other.
if(BRINK_WASM)
    set(BRINK_ARCH wasm)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64|i[3-6]86)$")
    set(BRINK_ARCH x86)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64|ARM64)$")
    set(BRINK_ARCH arm64)
else()
    set(BRINK_ARCH other)
endif()

# Removes from a list of files those that are for another processor or a part not built.
function(brink_select_sources list_name)
    set(files ${${list_name}})
    if(NOT BRINK_ARCH STREQUAL x86)
        list(FILTER files EXCLUDE REGEX "_avx(2|512)\\.c$")
    endif()
    if(NOT BRINK_ARCH STREQUAL arm64)
        list(FILTER files EXCLUDE REGEX "_neon(_dotprod)?\\.c$")
    endif()
    if(NOT BRINK_ARCH STREQUAL wasm)
        list(FILTER files EXCLUDE REGEX "_wasm\\.c$")
    endif()
    if(NOT BRINK_GPU)
        list(FILTER files EXCLUDE REGEX "/src/gpu/")
    endif()
    set(${list_name} ${files} PARENT_SCOPE)
endfunction()

# Instruction sets of the files that are chosen at run time by what the processor has.
# The rest is compiled for the baseline (x86-64: SSE2), so the command starts everywhere.
set(BRINK_AVX2 -mavx2 -mfma -mf16c)
set(BRINK_AVX512 ${BRINK_AVX2} -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512vnni)
if(CMAKE_C_COMPILER_ID STREQUAL "GNU") # which has dotprod from ARMv8.2 on only; zig takes no -march
    set(BRINK_DOTPROD -march=armv8.2-a+dotprod)
else()
    set(BRINK_DOTPROD -mcpu=generic+dotprod)
endif()
function(brink_source_flags)
    foreach(file IN LISTS ARGN)
        if(file MATCHES "_avx2\\.c$")
            set_source_files_properties(${file} PROPERTIES COMPILE_OPTIONS "${BRINK_AVX2}")
        elseif(file MATCHES "_avx512\\.c$")
            set_source_files_properties(${file} PROPERTIES COMPILE_OPTIONS "${BRINK_AVX512}")
        elseif(file MATCHES "_neon_dotprod\\.c$")
            set_source_files_properties(${file} PROPERTIES COMPILE_OPTIONS "${BRINK_DOTPROD}")
        elseif(BRINK_FUZZ AND file MATCHES "/src/cpu/") # inner loops: edges are guide enough
            set_source_files_properties(${file} PROPERTIES
                COMPILE_OPTIONS "-fno-sanitize-coverage=trace-cmp;-O2")
        elseif(BRINK_WASM AND NOT file MATCHES "/src/cpu/")
            set_source_files_properties(${file} PROPERTIES COMPILE_OPTIONS "-Os")
        endif()
    endforeach()
endfunction()
