# Writes FOLDER/sources.c and FOLDER/gpu/sources.h from KERNELS, a list of WGSL files. Comments and
# indentation are left out: what ships is what the compiler reads.

set(header "/* Written by cmake/wgsl.cmake. */\n")
set(source "#include \"gpu/sources.h\"\n")
foreach(file ${KERNELS})
    get_filename_component(name ${file} NAME_WE)
    file(READ ${file} text)
    string(REGEX REPLACE "[ \t]*//[^\n]*" "" text "${text}")
    string(REGEX REPLACE "\n[ \t\n]+" "\n" text "${text}")
    string(REGEX REPLACE "^\n+" "" text "${text}")
    string(REPLACE "\\" "\\\\" text "${text}")
    string(REPLACE "\"" "\\\"" text "${text}")
    string(REPLACE "\n" "\\n\"\n    \"" text "${text}")
    string(APPEND header "extern const char gpu_source_${name}[];\n")
    string(APPEND source "const char gpu_source_${name}[] =\n    \"${text}\";\n")
endforeach()
file(WRITE ${FOLDER}/gpu/sources.h "${header}")
file(WRITE ${FOLDER}/sources.c "${source}")
