/* sanitize.h — tells the address sanitizer which bytes of a larger block may be touched, so that it
   finds overruns inside the engine's own allocators too, and fills memory that is handed out again
   with NaN, so that reading what was never written shows. Nothing in other builds. */
#ifndef CORE_SANITIZE_H
#define CORE_SANITIZE_H

#if defined(__SANITIZE_ADDRESS__)
#define CORE_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CORE_ASAN 1
#endif
#endif

#ifdef CORE_ASAN
#include <sanitizer/asan_interface.h>
#include <string.h>
#define core_poison(data, size) __asan_poison_memory_region((data), (size_t)(size))
#define core_unpoison(data, size) __asan_unpoison_memory_region((data), (size_t)(size))
#define core_scramble(data, size) memset((data), 0xFF, (size_t)(size))
enum { CORE_RED_ZONE = 32 };
#else
#define core_poison(data, size) ((void)(data), (void)(size))
#define core_unpoison(data, size) ((void)(data), (void)(size))
#define core_scramble(data, size) ((void)(data), (void)(size))
enum { CORE_RED_ZONE = 0 };
#endif

#endif
