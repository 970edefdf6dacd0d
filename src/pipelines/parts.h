/* parts.h — external data that comes in parts: weights go to the executor's memory as they come and are
   nowhere else, so they come again when that is lost.

   Invariant: a tensor is `remote` only while its bytes, or the name that stands for them, came in parts;
   no plan is made or run while some of them are missing. */
#ifndef PIPELINES_PARTS_H
#define PIPELINES_PARTS_H

#include "pipelines/model.h"

/* Finds the tensors that may be left to the executor, and the files that they lie in. */
brink_status parts_find(brink_model *m);

/* A file that came whole: all of it stays in memory. */
void parts_keep(brink_model *m, uint32_t file);

brink_want parts_file(const external_file *f);
brink_status parts_check_size(const brink_model *m, uint32_t file, uint64_t size);

/* To be called before the first part of a load, with the executor open. */
void parts_begin(brink_model *m);

/* A part of a load, in order; one of no bytes is the end. What the executor loses meanwhile comes again
   before anything runs. */
brink_status parts_take(brink_model *m, uint32_t file, uint64_t at, const void *data,
                        uint64_t size);

/* To be asked before anything runs: BRINK_PENDING while weights that were lost are missing. */
brink_status parts_restore(brink_model *m);
bool parts_missing(const brink_model *m);

/* The file that is missing, and its parts. */
bool parts_want(const brink_model *m, brink_want *want);
brink_status parts_again(brink_model *m, uint64_t at, const void *data, uint64_t size);

#endif
