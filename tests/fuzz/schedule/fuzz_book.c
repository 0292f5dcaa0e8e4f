// SPDX-License-Identifier: Apache-2.0
//
// The book that an earlier agent left: whatever is in the file, it is read, and written again, without more than it says. Nothing
// is undone here: the places that it names are below a directory that is not there.
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "schedule/book.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_(book_freep) struct book *b = NULL;
    struct book_counters counters;
    char path[] = "/tmp/fuzz-book-XXXXXX";
    int fd = mkstemp(path);

    if (fd < 0)
        return 0;
    (void)write_all(fd, data, size);
    (void)close(fd);
    if (book_new(&(struct book_options){.root = "/nowhere", .proc = "/nowhere", .path = path},
                 &b) == 0) {
        book_counters(b, &counters);
        if (counters.processes > BOOK_MAX || counters.groups > BOOK_MAX)
            abort();
        // All are gone.
        (void)book_keep_only(b, NULL, 0, NULL);
        book_counters(b, &counters);
        if (counters.processes)
            abort();
    }
    (void)unlink(path);
    return 0;
}
