/* SPDX-License-Identifier: GPL-2.0-only */
/* The control kind `memory`: memory that becomes executable without being what a file holds. Files are for rules about programs. */
#ifndef SG_BPF_CONTROL_MEMORY_H
#define SG_BPF_CONTROL_MEMORY_H

#include "lib/uring.bpf.h"

#define PROT_READ         0x1ul /* include/uapi/asm-generic/mman-common.h */
#define PROT_WRITE        0x2ul
#define PROT_EXEC         0x4ul
#define MAP_TYPE          0x0ful /* include/uapi/linux/mman.h */
#define MAP_PRIVATE       0x02ul
#define VM_WRITE          0x2ul /* include/linux/mm.h */
#define VM_EXEC           0x4ul
#define VM_SHARED         0x8ul
#define VM_MAYWRITE       0x20ul
#define SHM_EXEC          0100000 /* include/uapi/linux/shm.h */
#define READ_IMPLIES_EXEC 0x0400000u

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct vm_area_struct___flags {
    unsigned long vm_start, vm_end, vm_flags;
    struct file *vm_file;
    void *anon_vma;
    struct mm_struct___places *vm_mm;
};

struct mm_struct___places {
    unsigned long start_brk, brk, start_stack;
};

struct task_struct___personality {
    unsigned int personality;
};

#pragma clang attribute pop

static __always_inline int sg_ask_memory(__u16 hook, __u32 number, __u64 at, __u64 length)
{
    struct sg_asked a = {
        .kind = SG_CONTROL_memory, .hook = hook, .n = 1, .value = {number}, .more = {at, length}};

    return sg_control(&a);
}

/* What a new mapping is; -1: what its file holds. */
static __always_inline int sg_memory_of_map(__u64 file, unsigned long prot, unsigned long flags)
{
    if (!file)
        return SG_MEMORY_ANONYMOUS;
    if ((flags & MAP_TYPE) == MAP_PRIVATE)
        return prot & PROT_WRITE ? SG_MEMORY_MODIFIED : -1;
    return BPF_CORE_READ((struct file *)file, f_mode) & FMODE_WRITE ? SG_MEMORY_SHARED : -1;
}

static __always_inline int sg_on_map_memory(__u64 file, unsigned long prot, unsigned long flags)
{
    struct task_struct___personality *task = (void *)bpf_get_current_task();
    int number;

    if (file && !SG_HAS_ANON_HOOK &&
        sg_is_uring(BPF_CORE_READ((struct file *)file, f_path.dentry, d_name.name)))
        return sg_ask_uring(SG_HOOK_control_mmap, SG_URING_SETUP);
    if (!sg_control_any(1ull << SG_CONTROL_memory) ||
        !(prot & PROT_EXEC ||
          (prot & PROT_READ && BPF_CORE_READ(task, personality) & READ_IMPLIES_EXEC)))
        return 0;
    number = sg_memory_of_map(file, prot, flags);
    return number < 0 ? 0 : sg_ask_memory(SG_HOOK_control_mmap, number, 0, 0);
}

/* The hook has an argument more than the function that calls it. */
SEC("lsm/mmap_file")
int BPF_PROG(lsm_control_mmap, struct file *file, unsigned long reqprot, unsigned long prot,
             unsigned long flags)
{
    (void)reqprot;
    return SG_REFUSE_WITH(sg_on_map_memory(sg_address(file), prot, flags));
}

SEC("fmod_ret/security_mmap_file")
int BPF_PROG(fmod_control_mmap, struct file *file, unsigned long prot, unsigned long flags)
{
    return SG_REFUSE_WITH(sg_on_map_memory(sg_address(file), prot, flags));
}

/* What a mapping is; -1: what its file holds. */
static __always_inline int sg_memory_of(const struct vm_area_struct___flags *vma,
                                        unsigned long prot)
{
    unsigned long start = BPF_CORE_READ(vma, vm_start), end = BPF_CORE_READ(vma, vm_end);
    unsigned long flags = BPF_CORE_READ(vma, vm_flags);
    struct mm_struct___places *mm = BPF_CORE_READ(vma, vm_mm);
    unsigned long stack = BPF_CORE_READ(mm, start_stack);

    if (BPF_CORE_READ(vma, vm_file)) {
        if (flags & VM_SHARED)
            return flags & VM_MAYWRITE ? SG_MEMORY_SHARED : -1;
        return prot & PROT_WRITE || BPF_CORE_READ(vma, anon_vma) ? SG_MEMORY_MODIFIED : -1;
    }
    if (start <= stack && end >= stack)
        return SG_MEMORY_STACK;
    if (start >= BPF_CORE_READ(mm, start_brk) && end <= BPF_CORE_READ(mm, brk))
        return SG_MEMORY_HEAP;
    return SG_MEMORY_ANONYMOUS;
}

/* Asked about what becomes executable, and what is and becomes writable as well. */
static __always_inline int sg_on_protect(__u64 vma_address, unsigned long prot)
{
    const struct vm_area_struct___flags *vma = (void *)vma_address;
    unsigned long flags = BPF_CORE_READ(vma, vm_flags);
    int number;

    if (!(prot & PROT_EXEC) || (flags & VM_EXEC && (!(prot & PROT_WRITE) || flags & VM_WRITE)))
        return 0;
    number = sg_memory_of(vma, prot);
    return number < 0
               ? 0
               : sg_ask_memory(SG_HOOK_control_mprotect, number, BPF_CORE_READ(vma, vm_start),
                               BPF_CORE_READ(vma, vm_end) - BPF_CORE_READ(vma, vm_start));
}

SG_CONTROL_PROGRAMS(control_mprotect, file_mprotect, file_mprotect,
                    ((void)reqprot, sg_on_protect(sg_address(vma), prot)), void *vma,
                    unsigned long reqprot, unsigned long prot)

SG_CONTROL_PROGRAMS(shm_shmat, shm_shmat, shm_shmat,
                    ((void)perm, (void)address,
                     flags &SHM_EXEC ? sg_ask_memory(SG_HOOK_shm_shmat, SG_MEMORY_SHARED, 0, 0)
                                     : 0),
                    void *perm, char *address, int flags)

#endif
