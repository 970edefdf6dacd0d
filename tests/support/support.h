/* support.h — what C tests share. cmocka's own headers come first. */
#ifndef TESTS_SUPPORT_H
#define TESTS_SUPPORT_H

#include "brink.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Fails the test with the context's error text unless `status` is BRINK_OK. */
void support_ok(brink_context *context, brink_status status);

brink_context *support_context(uint32_t threads);

/* A model of tests/fixtures/models, such as "llama/fp32". */
brink_model *support_model(brink_context *context, const char *name, bool exact);

/* Bytes that the newest context held before anything was done with it. */
extern uint64_t support_idle;

/* Destroys the newest context after checking that it holds no more than it did at first. */
void support_end(brink_context *context);

/* A whole file, NUL-terminated; free() it. */
uint8_t *support_read(const char *path, uint64_t *size);

#endif
