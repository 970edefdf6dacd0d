# For toolchains: the C compiler of the ziglang package in .venv (see `make setup`).

cmake_path(GET CMAKE_CURRENT_LIST_DIR PARENT_PATH BRINK_ROOT)
file(GLOB BRINK_ZIG ${BRINK_ROOT}/.venv/lib/python3*/site-packages/ziglang/zig)
if(NOT BRINK_ZIG)
    message(FATAL_ERROR "the ziglang package is missing in .venv: run make setup")
endif()
list(GET BRINK_ZIG 0 BRINK_ZIG)

set(CMAKE_C_COMPILER ${BRINK_ZIG} cc)
# Known beforehand: CMake's probes would link, and so build the C library for nothing.
set(CMAKE_C_COMPILER_ID Clang)
set(CMAKE_C_COMPILER_ID_RUN TRUE)
set(CMAKE_C_COMPILER_VERSION 21.0)
set(CMAKE_C_COMPILER_FORCED TRUE)
set(CMAKE_C_STANDARD_COMPUTED_DEFAULT 17)
set(CMAKE_C_EXTENSIONS_COMPUTED_DEFAULT ON)

set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
