// SPDX-License-Identifier: Apache-2.0
//
// Ways to reach another end, and to be reached: one function a way, rows in ways.def. Each runs in a process of its own. All
// addresses are this machine's (tests/vm/cases/network.sh puts them on its loopback).
#pragma once

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

#define ABSENT 200 // this machine does not have it: no errno

#define ALLOWED4 "10.9.1.2"
#define ALLOWED6 "fd09:1::2"
#define DENIED4  "10.9.2.2"
#define DENIED6  "fd09:2::2"
#define ANY4     "0.0.0.0"
#define ANY6     "::"

#define OTHER_USER 4300
#define WAIT_MS    400 // for what does not come

// Sockets that were made before the policy, handed on by their numbers.
enum { OLDER_TCP = 100, OLDER_UDP = 101, OLDER_LISTENER = 102 };

struct end {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_storage room;
    };
    socklen_t len;
};

// An address and a port. `mapped`: IPv4 as IPv6 has it.
struct end end_of(const char *host, int port, bool mapped);

// 0, errno, or ABSENT for what this kernel has not.
int outcome(long result);

// A socket for an end; *ret_error is what socket() gave.
int socket_for(const struct end *e, int type, int protocol);

// Waits for input: 0, or ETIMEDOUT.
int await_input(int fd);

// 0: it went through; errno; ABSENT.
typedef int (*way_fn)(const char *host, int port);

// One operation by an io_uring; -errno when there is none. `flags`: IOSQE_*.
struct io_uring_sqe;
int uring_do(const struct io_uring_sqe *sqe, unsigned flags);

// What one of a kind costs, in nanoseconds, on the standard output. Exit status.
int cost(const char *what, const char *host, int port, long n);

#define WAY(id, function, to, at, since, error, kind, outcome) \
    int function(const char *host, int port);
#include "ways.def"
