//! Preloaded while instructions are counted: every hash table gets the same seeds, so that a count repeats.
#include <string.h>
#include <sys/types.h>

ssize_t getrandom(void *to, size_t bytes, unsigned flags) {
  (void)flags;
  memset(to, 0x5A, bytes);
  return (ssize_t)bytes;
}
