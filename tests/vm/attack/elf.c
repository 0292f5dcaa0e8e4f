// SPDX-License-Identifier: Apache-2.0
/* Files that the kernel itself reads: a tiny program, and the header of a swap area. */
#include "attack.h"

#include <elf.h>
#include <string.h>

/* exit(EXIT_EXECUTED) */
#if defined(__x86_64__)
#define TINY_MACHINE EM_X86_64
static const unsigned char tiny_code[] = {
    0xbf, EXIT_EXECUTED,
    0,    0,
    0, /* mov edi, 42 */
    0xb8, 60,
    0,    0,
    0,          /* mov eax, SYS_exit */
    0x0f, 0x05, /* syscall */
};
#elif defined(__aarch64__)
#define TINY_MACHINE EM_AARCH64
static const unsigned char tiny_code[] = {
    0x40, 0x05, 0x80, 0xd2, /* mov x0, #42 */
    0xa8, 0x0b, 0x80, 0xd2, /* mov x8, #93 */
    0x01, 0x00, 0x00, 0xd4, /* svc #0 */
};
#else
#define TINY_MACHINE EM_NONE
static const unsigned char tiny_code[] = {0};
#endif

ssize_t elf_tiny(const char *interpreter, void *ret_buf, size_t size)
{
    size_t interp_len = interpreter ? strlen(interpreter) + 1 : 0;
    size_t n_segments = interpreter ? 2 : 1;
    size_t code_at = sizeof(Elf64_Ehdr) + n_segments * sizeof(Elf64_Phdr);
    size_t total = code_at + sizeof(tiny_code) + interp_len;
    unsigned char *b = ret_buf;
    Elf64_Ehdr eh = {
        .e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
        .e_type = ET_DYN,
        .e_machine = TINY_MACHINE,
        .e_version = EV_CURRENT,
        .e_entry = code_at,
        .e_phoff = sizeof(Elf64_Ehdr),
        .e_ehsize = sizeof(Elf64_Ehdr),
        .e_phentsize = sizeof(Elf64_Phdr),
        .e_phnum = (Elf64_Half)n_segments,
    };
    Elf64_Phdr load = {
        .p_type = PT_LOAD,
        /* writable: up to 6.4 the kernel clears the rest of an interpreter's last page */
        .p_flags = PF_R | PF_W | PF_X,
        .p_filesz = total,
        .p_memsz = total,
        .p_align = 0x10000,
    };
    Elf64_Phdr interp = {
        .p_type = PT_INTERP,
        .p_flags = PF_R,
        .p_offset = code_at + sizeof(tiny_code),
        .p_vaddr = code_at + sizeof(tiny_code),
        .p_filesz = interp_len,
        .p_memsz = interp_len,
        .p_align = 1,
    };

    if (TINY_MACHINE == EM_NONE)
        return -ENOTSUP;
    if (total > size)
        return -ENOBUFS;
    memcpy(b, &eh, sizeof(eh));
    b += sizeof(eh);
    if (interpreter) {
        memcpy(b, &interp, sizeof(interp));
        b += sizeof(interp);
    }
    memcpy(b, &load, sizeof(load));
    b += sizeof(load);
    memcpy(b, tiny_code, sizeof(tiny_code));
    b += sizeof(tiny_code);
    if (interpreter)
        memcpy(b, interpreter, interp_len);
    return (ssize_t)total;
}

/* The layout of union swap_header (include/linux/swap.h): 1024 bytes for boot code, then version,
 * last page, number of bad pages; the magic ends the page. */
void swap_header(void *page, size_t page_size, uint32_t n_pages)
{
    uint32_t info[3] = {1, n_pages - 1, 0};

    memset(page, 0, page_size);
    memcpy((char *)page + 1024, info, sizeof(info));
    memcpy((char *)page + page_size - 10, "SWAPSPACE2", 10);
}
