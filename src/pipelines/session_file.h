/* session_file.h — the bytes of a saved session, little-endian.

     offset  bytes
          0      8  "brinkses"
          8      4  version, 1
         12      4  element type of the rows, as in brink_type: 1, f32
         16      8  the model's identity (identity.h)
         24      8  the key of what adapted its weights
         32      4  tokens in the cache
         36      4  1 if there is a pending token, else 0
         40      4  the pending token
         44      4  cache slots: a layer has one for keys and one for values
         48      8  checksum of everything behind the header
         56         tokens, 4 bytes each; of each slot heads and width, 4 bytes each; of each slot its
                    rows [heads, tokens, width]

   Sizes in it are not trusted: they have to be the model's own, and to add up to the size of the bytes. */
#ifndef PIPELINES_SESSION_FILE_H
#define PIPELINES_SESSION_FILE_H

#include "pipelines/session.h"

enum { SESSION_FILE_HEADER = 56, SESSION_FILE_CHECKSUM = 48 };

/* Of the bytes behind the header. */
uint64_t session_file_checksum(const void *data, uint64_t bytes);

#endif
