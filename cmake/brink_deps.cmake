# Third-party C, compiled from the sources that `make setup` put below build/deps.

foreach(file yyjson/yyjson.c yyjson/yyjson.h utf8proc/utf8proc.c utf8proc/utf8proc.h
        utf8proc/utf8proc_data.c)
    if(NOT EXISTS ${BRINK_DEPS}/${file})
        message(FATAL_ERROR "${BRINK_DEPS}/${file} is missing: run make setup")
    endif()
endforeach()

# The warnings of third-party code are not ours: no brink_flags here, and SYSTEM includes.
add_library(brink_yyjson OBJECT ${BRINK_DEPS}/yyjson/yyjson.c)
target_include_directories(brink_yyjson SYSTEM INTERFACE ${BRINK_DEPS}/yyjson)

add_library(brink_utf8proc OBJECT ${BRINK_DEPS}/utf8proc/utf8proc.c)
target_include_directories(brink_utf8proc SYSTEM INTERFACE ${BRINK_DEPS}/utf8proc)
target_compile_definitions(brink_utf8proc PUBLIC UTF8PROC_STATIC=1)

foreach(target brink_yyjson brink_utf8proc)
    target_compile_options(${target} PRIVATE -w)
    set_target_properties(${target} PROPERTIES EXPORT_COMPILE_COMMANDS OFF)
    if(BRINK_WASM)
        target_compile_options(${target} PRIVATE -Os)
    endif()
endforeach()
