// SPDX-License-Identifier: Apache-2.0
//
// Functions that must not be called: they cannot be bounded, cannot report an error, run a shell,
// or share a buffer between callers. The build puts this header in front of every user-space file;
// a call of one of them does not compile and the message names what to use instead.
//
// The headers that declare these functions come first, so that the macros cannot touch their
// declarations. What a macro cannot catch (a function taken by address) is found by
// tests/lint/check_banned.py, which reads the rows below.
#pragma once

#include <alloca.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

#define BANNED(func, instead) BANNED_##func##_is_not_used_here__##instead

#undef strcpy
#define strcpy(...) BANNED(strcpy, use_strbuf)
#undef stpcpy
#define stpcpy(...) BANNED(stpcpy, use_strbuf)
#undef strcat
#define strcat(...) BANNED(strcat, use_strbuf)
#undef strncpy
#define strncpy(...) BANNED(strncpy, use_strbuf_or_memcpy)
#undef stpncpy
#define stpncpy(...) BANNED(stpncpy, use_strbuf_or_memcpy)
#undef strncat
#define strncat(...) BANNED(strncat, use_strbuf)
#undef wcscpy
#define wcscpy(...) BANNED(wcscpy, use_strbuf)
#undef sprintf
#define sprintf(...) BANNED(sprintf, use_snprintf_or_strbuf)
#undef vsprintf
#define vsprintf(...) BANNED(vsprintf, use_vsnprintf_or_strbuf)
#undef gets
#define gets(...) BANNED(gets, use_read_file_bounded)
#undef strtok
#define strtok(...) BANNED(strtok, use_strv_split)
#undef atoi
#define atoi(...) BANNED(atoi, use_parse_u64_or_parse_i64)
#undef atol
#define atol(...) BANNED(atol, use_parse_u64_or_parse_i64)
#undef atoll
#define atoll(...) BANNED(atoll, use_parse_u64_or_parse_i64)
#undef atof
#define atof(...) BANNED(atof, use_strtod_and_check_its_end)
#undef system
#define system(...) BANNED(system, use_posix_spawn)
#undef popen
#define popen(...) BANNED(popen, use_posix_spawn)
#undef alloca
#define alloca(...) BANNED(alloca, use_malloc)
#undef strdupa
#define strdupa(...) BANNED(strdupa, use_strdup)
#undef strndupa
#define strndupa(...) BANNED(strndupa, use_strndup)
#undef mktemp
#define mktemp(...) BANNED(mktemp, use_mkostemp)
#undef tmpnam
#define tmpnam(...) BANNED(tmpnam, use_mkostemp)
#undef tempnam
#define tempnam(...) BANNED(tempnam, use_mkostemp)
#undef localtime
#define localtime(...) BANNED(localtime, use_localtime_r)
#undef gmtime
#define gmtime(...) BANNED(gmtime, use_gmtime_r)
#undef ctime
#define ctime(...) BANNED(ctime, use_format_rfc3339_ms)
#undef asctime
#define asctime(...) BANNED(asctime, use_format_rfc3339_ms)
#undef rand
#define rand(...) BANNED(rand, use_getrandom)
