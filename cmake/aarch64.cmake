# Toolchain: Linux on 64-bit ARM with zig's clang and musl; programs are static, so that
# qemu-aarch64 runs them without a system of that kind.

set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
include(${CMAKE_CURRENT_LIST_DIR}/zig.cmake)
set(CMAKE_C_COMPILER_TARGET aarch64-linux-musl)
set(CMAKE_SIZEOF_VOID_P 8)
set(CMAKE_SKIP_RPATH ON)
# The system's ar may know no files of this processor.
set(CMAKE_C_ARCHIVE_CREATE "\"${BRINK_ZIG}\" ar qc <TARGET> <OBJECTS>")
set(CMAKE_C_ARCHIVE_APPEND "\"${BRINK_ZIG}\" ar q <TARGET> <OBJECTS>")
set(CMAKE_C_ARCHIVE_FINISH "\"${BRINK_ZIG}\" ranlib <TARGET>")
find_program(BRINK_QEMU qemu-aarch64)
if(BRINK_QEMU)
    set(CMAKE_CROSSCOMPILING_EMULATOR ${BRINK_QEMU})
endif()
