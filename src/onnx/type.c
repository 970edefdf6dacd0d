/* type.c — sizes and names of element types. */
#include "brink.h"

uint32_t brink_type_bits(brink_type type)
{
    switch (type) {
    case BRINK_U4:
    case BRINK_I4:
        return 4;
    case BRINK_U8:
    case BRINK_I8:
    case BRINK_BOOL:
        return 8;
    case BRINK_U16:
    case BRINK_I16:
    case BRINK_F16:
    case BRINK_BF16:
        return 16;
    case BRINK_F32:
    case BRINK_I32:
    case BRINK_U32:
        return 32;
    case BRINK_F64:
    case BRINK_I64:
    case BRINK_U64:
        return 64;
    default:
        return 0;
    }
}

const char *brink_type_name(brink_type type)
{
    switch (type) {
    case BRINK_F32:
        return "float32";
    case BRINK_U8:
        return "uint8";
    case BRINK_I8:
        return "int8";
    case BRINK_U16:
        return "uint16";
    case BRINK_I16:
        return "int16";
    case BRINK_I32:
        return "int32";
    case BRINK_I64:
        return "int64";
    case BRINK_STRING:
        return "string";
    case BRINK_BOOL:
        return "bool";
    case BRINK_F16:
        return "float16";
    case BRINK_F64:
        return "float64";
    case BRINK_U32:
        return "uint32";
    case BRINK_U64:
        return "uint64";
    case BRINK_BF16:
        return "bfloat16";
    case BRINK_U4:
        return "uint4";
    case BRINK_I4:
        return "int4";
    default:
        return "undefined";
    }
}
