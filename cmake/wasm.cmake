# Toolchain: WebAssembly with zig's clang and wasi-libc.
#
# The C library is compiled by zig for the features named when linking, the first time a module is
# linked (about a minute), and then cached. All modules name the same, so it is compiled once;
# relaxed SIMD and the like are a matter of our own files.

set(CMAKE_SYSTEM_NAME WASI)
set(CMAKE_SYSTEM_PROCESSOR wasm32)
list(APPEND CMAKE_MODULE_PATH ${CMAKE_CURRENT_LIST_DIR})
include(${CMAKE_CURRENT_LIST_DIR}/zig.cmake)
set(CMAKE_SIZEOF_VOID_P 4)
