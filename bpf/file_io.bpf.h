/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * `access: io`: how much was read from a file and written to it between its open and its close, in one record at the close.
 *
 * Nothing of this is attached unless a loaded rule asks for it. Then every open asks whether a rule wants the file counted
 * (the fast way out of file_open.bpf.h applies), files that are get an entry by the address of their struct file, and the
 * functions that every transfer returns through add what they moved:
 *
 *   read, pread, write, pwrite            vfs_read, vfs_write
 *   readv, preadv, preadv2, writev …      vfs_readv, vfs_writev
 *   sendfile, splice                      do_splice_to (do_splice_read from 6.5), iter_file_splice_write
 *   copy_file_range, reflinks             vfs_copy_file_range, vfs_clone_file_range
 *   io_uring                              kiocb_done, or its completions when the file system answers later
 *   io_submit                             aio_complete_rw
 *   the kernel, for a process (modules)   kernel_read
 *
 * What is not counted: loads and stores of a mapping (the record says that the file was mapped), what fallocate and
 * truncate change, comparing files for deduplication, and what the kernel does with a file on its own account (nfsd, loop
 * devices, swap). These programs record, they refuse nothing. The kernel skips a program of this type for a task that comes
 * while another one is preempted inside it: preemption is switched off in here where that can be done (from 6.10); on older
 * kernels with preempt=full counts can be low. What was skipped is in the program's recursion_misses.
 */
#ifndef SG_BPF_FILE_IO_H
#define SG_BPF_FILE_IO_H

#include "lib/file.bpf.h"
#include "lib/hook.bpf.h"
#include "lib/kernel_io.h"

struct sg_io {
    __u64 opened_ns; /* CLOCK_BOOTTIME */
    __u64 bytes_read, bytes_written;
    __u64 decision;
    __u64 inode; /* address; together with its number: is it still the file that was opened? */
    __u64 ino;
    __u32 policy_id;
    __u32 mapped;
};

/* Open files whose transfers are counted, by address. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 65536);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, __u64);
    __type(value, struct sg_io);
} sg_io_files SEC(".maps");

/* Threads in copy_file_range: what it does by splicing is counted by its result. */
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 4096);
    __type(key, __u32);
    __type(value, __u32);
} sg_io_copies SEC(".maps");

/* ---- opens ---------------------------------------------------------------------------------- */

static __always_inline void sg_io_begin(struct file *file, __u64 decision, __u32 policy_id)
{
    __u64 key = sg_address(file);
    struct sg_io io = {
        .opened_ns = bpf_ktime_get_boot_ns(),
        .decision = decision,
        .inode = sg_address(file->f_inode),
        .ino = file->f_inode->i_ino,
        .policy_id = policy_id,
    };

    if (bpf_map_update_elem(&sg_io_files, &key, &io, BPF_ANY))
        sg_count(SG_COUNT_IO_FULL);
}

static __always_inline int sg_on_opened(struct file *file, bool storage)
{
    struct dentry *dentry = file->f_path.dentry;
    struct inode *inode = file->f_inode;
    __u32 policy_id = 0;
    __u64 decision;

    /* Files only, and not those that are opened to be executed. */
    if ((inode->i_mode & S_IFMT) != S_IFREG || file->f_flags & FMODE_EXEC ||
        !(file->f_mode & (FMODE_READ | FMODE_WRITE)))
        return 0;
    if (!sg_quick_cannot(inode, dentry, dentry->d_parent) &&
        sg_quick_dead(file, dentry, dentry->d_parent, storage))
        return 0;
    decision = sg_file_long(file, SG_OP_IO, SG_QUICK_UNKNOWN, &policy_id, storage);
    if (SG_DECISION_VERDICT(decision) == SG_AUDIT)
        sg_io_begin(file, decision, policy_id);
    return 0;
}

SG_PROGRAMS(file_opened, file_open, sg_on_opened(file, storage), struct file *file)

/* ---- transfers ------------------------------------------------------------------------------ */

static __always_inline void sg_io_add(__u64 file, long n, bool written)
{
    struct sg_io *io;

    if (n <= 0)
        return;
    io = bpf_map_lookup_elem(&sg_io_files, &file);
    if (io)
        __sync_fetch_and_add(written ? &io->bytes_written : &io->bytes_read, n);
}

static __always_inline int sg_io_copying(void)
{
    __u32 tid = (__u32)bpf_get_current_pid_tgid();

    return bpf_map_lookup_elem(&sg_io_copies, &tid) != NULL;
}

/* A program at the entry or the exit of a function of the kernel. `what` is a statement over the arguments. */
#define SG_IO_AT(when, function, what, args...) \
    SEC(#when "/" #function)                    \
    int BPF_PROG(when##_##function, args)       \
    {                                           \
        what;                                   \
        return 0;                               \
    }
#define SG_IO_ENTRY(function, what, args...) SG_IO_AT(fentry, function, what, args)
#define SG_IO_EXIT(function, what, args...)  SG_IO_AT(fexit, function, what, args)

static __always_inline void sg_io_read(const struct file *file, long n)
{
    sg_io_add(sg_address(file), n, false);
}

static __always_inline void sg_io_written(const struct file *file, long n)
{
    sg_io_add(sg_address(file), n, true);
}

SG_IO_EXIT(vfs_read, sg_io_read(file, n), struct file *file, void *buf, unsigned long count,
           void *pos, long n)
SG_IO_EXIT(vfs_write, sg_io_written(file, n), struct file *file, void *buf, unsigned long count,
           void *pos, long n)
SG_IO_EXIT(vfs_readv, sg_io_read(file, n), struct file *file, void *vec, unsigned long vlen,
           void *pos, int flags, long n)
SG_IO_EXIT(vfs_writev, sg_io_written(file, n), struct file *file, void *vec, unsigned long vlen,
           void *pos, int flags, long n)
SG_IO_EXIT(kernel_read, sg_io_read(file, n), struct file *file, void *buf, unsigned long count,
           void *pos, long n)

/* What is done for a copy is counted by the copy. */
#define SG_UNLESS_COPYING(what) \
    if (!sg_io_copying())       \
    what

/* From a file into a pipe; sendfile has a pipe of its own. */
SG_IO_EXIT(do_splice_to, SG_UNLESS_COPYING(sg_io_read(in, n)), struct file *in, void *pos,
           void *pipe, unsigned long len, unsigned int flags, long n)
SG_IO_EXIT(do_splice_read, SG_UNLESS_COPYING(sg_io_read(in, n)), struct file *in, void *pos,
           void *pipe, unsigned long len, unsigned int flags, long n)
SG_IO_EXIT(iter_file_splice_write, SG_UNLESS_COPYING(sg_io_written(out, n)), void *pipe,
           struct file *out, void *pos, unsigned long len, unsigned int flags, long n)

static __always_inline void sg_io_copy_begins(const struct file *in, const struct file *out)
{
    __u32 tid = (__u32)bpf_get_current_pid_tgid(), one = 1;
    __u64 from = sg_address(in), to = sg_address(out);

    if (bpf_map_lookup_elem(&sg_io_files, &from) || bpf_map_lookup_elem(&sg_io_files, &to))
        bpf_map_update_elem(&sg_io_copies, &tid, &one, BPF_ANY);
}

static __always_inline void sg_io_copied(const struct file *in, const struct file *out, long n)
{
    sg_io_read(in, n);
    sg_io_written(out, n);
}

static __always_inline void sg_io_copy_ends(const struct file *in, const struct file *out, long n)
{
    __u32 tid = (__u32)bpf_get_current_pid_tgid();

    if (!bpf_map_delete_elem(&sg_io_copies, &tid))
        sg_io_copied(in, out, n);
}

SG_IO_ENTRY(vfs_copy_file_range, sg_io_copy_begins(in, out), struct file *in, long pos_in,
            struct file *out)
SG_IO_EXIT(vfs_copy_file_range, sg_io_copy_ends(in, out, n), struct file *in, long pos_in,
           struct file *out, long pos_out, unsigned long len, unsigned int flags, long n)
SG_IO_EXIT(vfs_clone_file_range, SG_UNLESS_COPYING(sg_io_copied(in, out, n)), struct file *in,
           long pos_in, struct file *out, long pos_out, long len, unsigned int flags, long n)

/* A transfer that was asked for by a kiocb has ended. Runs in interrupts, too. */
static __always_inline void sg_io_completed(const struct kiocb *kiocb, long n)
{
    sg_io_add((__u64)BPF_CORE_READ(kiocb, ki_filp), n, BPF_CORE_READ(kiocb, ki_flags) & IOCB_WRITE);
}

/* All pieces of a request of io_uring that was answered at once; polled ones end in io_complete_rw_iopoll. */
static __always_inline void sg_io_done(void *req, long n)
{
    const struct kiocb *kiocb = req;
    const struct io_kiocb___cqe *with_result = req;
    const struct io_async_rw *async;

    if (n < 0 || BPF_CORE_READ(kiocb, ki_flags) & IOCB_HIPRI)
        return;
    if (bpf_core_field_exists(with_result->cqe)) {
        n = BPF_CORE_READ(with_result, cqe.res);
    } else {
        async = BPF_CORE_READ((struct io_kiocb *)req, async_data);
        n += async ? BPF_CORE_READ(async, bytes_done) : 0;
    }
    sg_io_completed(kiocb, n);
}

SG_IO_EXIT(kiocb_done, sg_io_done(req, n), void *req, long n)
SG_IO_ENTRY(io_complete_rw, sg_io_completed(kiocb, n), struct kiocb *kiocb, long n)
SG_IO_ENTRY(io_complete_rw_iopoll, sg_io_completed(kiocb, n), struct kiocb *kiocb, long n)
SG_IO_ENTRY(aio_complete_rw, sg_io_completed(kiocb, n), struct kiocb *kiocb, long n)

static __always_inline void sg_io_mapped(const struct file *file, int refused)
{
    __u64 key = sg_address(file);
    struct sg_io *io = refused ? NULL : bpf_map_lookup_elem(&sg_io_files, &key);

    if (io)
        io->mapped = 1;
}

SG_IO_EXIT(security_mmap_file, sg_io_mapped(file, refused), struct file *file, unsigned long prot,
           unsigned long flags, int refused)

/* ---- closes --------------------------------------------------------------------------------- */

static __noinline int sg_io_report(struct file *file, const struct sg_io *io)
{
    struct sg_report report = {
        .dentry = file->f_path.dentry,
        .inode = file->f_inode,
        .decision = io->decision,
        .access = SG_OP_IO | (io->mapped ? SG_OP_MMAP : 0),
        .policy_id = io->policy_id,
        .hook = SG_HOOK_file_close,
    };
    struct sg_buffer *b;
    struct sg_record *r;
    __u64 len = 0;
    __u32 slot;

    b = sg_begin(&slot, SG_RECORD_FILE);
    if (b) {
        if (sg_is_backing(report.inode, report.dentry))
            report.text = (const char *)sg_alias_of(report.inode);
        report.text_type = report.text ? SG_TEXT_IS_DENTRY : 0;
        len = sg_write_file_record(slot, b, &report, false);
        r = (struct sg_record *)b->bytes;
        r->first_ns = io->opened_ns;
        r->value[0] = io->bytes_read;
        r->value[1] = io->bytes_written;
    }
    sg_send(slot, b, len, SG_RING_AUDIT);
    return 0;
}

/* The last reference is gone, the file still has its name. Every file that was opened comes here, on every kernel. */
static __always_inline int sg_on_close(struct file *file)
{
    __u64 key = sg_address(file);
    const struct sg_io *io = bpf_map_lookup_elem(&sg_io_files, &key);

    if (!io)
        return 0;
    if (io->inode == sg_address(file->f_inode) && io->ino == file->f_inode->i_ino)
        sg_io_report(file, io);
    bpf_map_delete_elem(&sg_io_files, &key);
    return 0;
}

SEC("fentry/locks_remove_file")
int BPF_PROG(lsm_file_close, struct file *file)
{
    return sg_on_close(file);
}

SEC("fentry/locks_remove_file")
int BPF_PROG(fmod_file_close, struct file *file)
{
    return sg_on_close(file);
}

#endif
