# C tests. Each .c file in a folder of tests/ (but support, fuzz, install, wasm, fixtures) is one
# program with its own main, linked with the library and built to tests/FOLDER_FILE in the build
# folder. One that includes cmocka.h or support.h is a test (with tests/support): ctest knows it as
# FOLDER/FILE, and it runs in the repository's root, so fixtures are read as tests/fixtures/...
# The others are drivers for scripts. Files of tests/fuzz are libFuzzer targets (BRINK_FUZZ).

enable_testing()
set(BRINK_TEST_ROOT ${CMAKE_CURRENT_SOURCE_DIR}/tests)

file(GLOB BRINK_TEST_SUPPORT CONFIGURE_DEPENDS ${BRINK_TEST_ROOT}/support/*.c)
file(GLOB BRINK_TEST_FILES CONFIGURE_DEPENDS ${BRINK_TEST_ROOT}/*/*.c)
list(FILTER BRINK_TEST_FILES EXCLUDE REGEX "/tests/(support|fuzz|fixtures|install|wasm)/")
if(NOT BRINK_GPU OR CMAKE_CROSSCOMPILING) # they run where a library for the GPU is
    list(FILTER BRINK_TEST_FILES EXCLUDE REGEX "/tests/gpu/")
endif()

add_library(brink_test_support INTERFACE)
target_include_directories(brink_test_support INTERFACE src tests/support)
target_compile_definitions(brink_test_support INTERFACE
    BRINK_SOURCE_DIR="${CMAKE_CURRENT_SOURCE_DIR}" BRINK_BUILD_DIR="${CMAKE_BINARY_DIR}")
target_compile_options(brink_test_support INTERFACE -UNDEBUG)
target_link_libraries(brink_test_support INTERFACE brink brink_flags)
# tests of internals may look at third-party types that internal headers name
target_include_directories(brink_test_support SYSTEM INTERFACE
    ${BRINK_DEPS}/yyjson ${BRINK_DEPS}/utf8proc)
target_compile_definitions(brink_test_support INTERFACE UTF8PROC_STATIC=1)

if(BRINK_TEST_FILES AND NOT BRINK_FUZZ)
    if(CMAKE_CROSSCOMPILING)
        set(CMOCKA_INCLUDE ${BRINK_TEST_ROOT}/neon) # a header that stands in for it
        set(CMOCKA_LIBRARY "")
    else()
        find_path(CMOCKA_INCLUDE cmocka.h)
        find_library(CMOCKA_LIBRARY cmocka)
        if(NOT CMOCKA_INCLUDE OR NOT CMOCKA_LIBRARY)
            message(FATAL_ERROR
                "cmocka is missing: run make setup (or configure with -DBRINK_TESTS=OFF)")
        endif()
    endif()
    foreach(file IN LISTS BRINK_TEST_FILES)
        cmake_path(GET file STEM name)
        cmake_path(GET file PARENT_PATH folder)
        cmake_path(GET folder FILENAME folder)
        set(target test_${folder}_${name})
        add_executable(${target} ${file})
        target_link_libraries(${target} PRIVATE brink_test_support)
        set_target_properties(${target} PROPERTIES OUTPUT_NAME ${folder}_${name}
            RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
        file(STRINGS ${file} uses_cmocka REGEX "include.*(cmocka|support)\\.h")
        if(uses_cmocka)
            target_sources(${target} PRIVATE ${BRINK_TEST_SUPPORT})
            target_include_directories(${target} SYSTEM PRIVATE ${CMOCKA_INCLUDE})
            target_link_libraries(${target} PRIVATE ${CMOCKA_LIBRARY})
            add_test(NAME ${folder}/${name} COMMAND ${target}
                WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})
            set_tests_properties(${folder}/${name} PROPERTIES TIMEOUT 600)
        endif()
    endforeach()
endif()

if(BRINK_FUZZ)
    file(GLOB BRINK_FUZZ_FILES CONFIGURE_DEPENDS ${BRINK_TEST_ROOT}/fuzz/*.c)
    foreach(file IN LISTS BRINK_FUZZ_FILES)
        cmake_path(GET file STEM name)
        add_executable(fuzz_${name} ${file})
        target_link_libraries(fuzz_${name} PRIVATE brink_test_support)
        if(name STREQUAL "npy") # the command's own reader
            set(files npy tensors files output cli)
            list(TRANSFORM files PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/cli/)
            list(TRANSFORM files APPEND .c)
            target_sources(fuzz_npy PRIVATE ${files})
        endif()
        target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
        set_target_properties(fuzz_${name} PROPERTIES
            RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fuzz)
    endforeach()
endif()
