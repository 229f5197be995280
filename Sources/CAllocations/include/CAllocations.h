// Counts the allocations of each thread, by standing in front of the C library's allocator.
#ifndef CALLOCATIONS_H
#define CALLOCATIONS_H

#include <stdint.h>

// Whether allocations are counted in this process: not under a sanitizer, which has an allocator of its own.
int cal_is_counting(void);

// Blocks that the calling thread asked for so far; one that was grown counts again.
uint64_t cal_count(void);

// Does nothing. A tool that counts instructions is told to look at its counters whenever this is called.
void cal_mark(void);

#endif
