// SPDX-License-Identifier: Apache-2.0
//
// libcurl and libssl, loaded when the first of their functions is called: that is, when there is a server. An agent without one
// would carry libcurl and the thirty libraries that it brings for nothing: 6 MB of memory, and their code in a process of root's; and a
// command that asks the agent alone would have to be let read them all.
//
// The functions here have the names of the real ones and stand in the program alone, so that the linker finds them first and needs no
// library. What is called that way is what src/transport and src/cli use; a function that is missing here makes the linker take the library
// again, which a test notices (tests/vm/cases/agent.sh). Without the libraries curl_global_init() fails, and the link says so.
#include <curl/curl.h>
#include <dlfcn.h>
#include <errno.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include "base/macro.h"

#define CURL_LIBRARY "libcurl.so.4"
#define SSL_LIBRARY  "libssl.so.3"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static void *curl_library, *ssl_library;

static void load(void)
{
    // Not to be found by other libraries: only by us.
    curl_library = dlopen(CURL_LIBRARY, RTLD_NOW | RTLD_LOCAL);
    ssl_library = dlopen(SSL_LIBRARY, RTLD_NOW | RTLD_LOCAL);
}

static bool loaded(void)
{
    (void)pthread_once(&once, load);
    return curl_library && ssl_library;
}

// The agent's link calls curl_global_init() first, and nothing else where that failed. A command has nothing left to do.
static void *find(void *const *library, const char *name)
{
    void *fn = loaded() ? dlsym(*library, name) : NULL;

    if (!fn) {
        (void)fprintf(
            stderr,
            "%s: error: a server cannot be spoken to: %s\n  to do: install the packages of " CURL_LIBRARY
            " and " SSL_LIBRARY "\n",
            program_invocation_short_name, strempty(dlerror()));
        exit(EX_UNAVAILABLE);
    }
    return fn;
}

// The headers have macros of some of these names.
#undef curl_easy_setopt
#undef curl_easy_getinfo
#undef curl_multi_setopt

#define LATE                __attribute__((visibility("hidden")))
#define CALL(library, name) ((__typeof__(&(name)))find(&(library), #name))

#define CURL_FUNCTION(ret, name, params, args) \
    LATE ret name params                       \
    {                                          \
        return CALL(curl_library, name) args;  \
    }
#define CURL_PROCEDURE(name, params, args) \
    LATE void name params                  \
    {                                      \
        CALL(curl_library, name) args;     \
    }
#define SSL_FUNCTION(ret, name, params, args) \
    LATE ret name params                      \
    {                                         \
        return CALL(ssl_library, name) args;  \
    }
#define SSL_PROCEDURE(name, params, args) \
    LATE void name params                 \
    {                                     \
        CALL(ssl_library, name) args;     \
    }
// All values of these options take one word: pointers, long and curl_off_t (LP64).
#define CURL_VARIADIC(ret, name, handle, option)      \
    LATE ret name(handle *h, option o, ...)           \
    {                                                 \
        va_list ap;                                   \
        void *value;                                  \
                                                      \
        va_start(ap, o);                              \
        value = va_arg(ap, void *);                   \
        va_end(ap);                                   \
        return CALL(curl_library, name)(h, o, value); \
    }
STATIC_ASSERT(sizeof(long) == sizeof(void *) && sizeof(curl_off_t) == sizeof(void *), "one word");

LATE CURLcode curl_global_init(long flags)
{
    return loaded() ? CALL(curl_library, curl_global_init)(flags) : CURLE_FAILED_INIT;
}

CURL_PROCEDURE(curl_global_cleanup, (void), ())
CURL_FUNCTION(CURL *, curl_easy_init, (void), ())
CURL_PROCEDURE(curl_easy_cleanup, (CURL * easy), (easy))
CURL_FUNCTION(CURLcode, curl_easy_perform, (CURL * easy), (easy))
CURL_FUNCTION(const char *, curl_easy_strerror, (CURLcode code), (code))
CURL_VARIADIC(CURLcode, curl_easy_setopt, CURL, CURLoption)
CURL_VARIADIC(CURLcode, curl_easy_getinfo, CURL, CURLINFO)
CURL_PROCEDURE(curl_free, (void *p), (p))
CURL_FUNCTION(CURLM *, curl_multi_init, (void), ())
CURL_FUNCTION(CURLMcode, curl_multi_cleanup, (CURLM * multi), (multi))
CURL_FUNCTION(CURLMcode, curl_multi_add_handle, (CURLM * multi, CURL *easy), (multi, easy))
CURL_FUNCTION(CURLMcode, curl_multi_remove_handle, (CURLM * multi, CURL *easy), (multi, easy))
CURL_FUNCTION(CURLMcode, curl_multi_perform, (CURLM * multi, int *running), (multi, running))
CURL_FUNCTION(CURLMsg *, curl_multi_info_read, (CURLM * multi, int *left), (multi, left))
CURL_FUNCTION(CURLMcode, curl_multi_poll,
              (CURLM * multi, struct curl_waitfd *fds, unsigned n, int timeout_ms, int *ready),
              (multi, fds, n, timeout_ms, ready))
CURL_VARIADIC(CURLMcode, curl_multi_setopt, CURLM, CURLMoption)
CURL_FUNCTION(struct curl_slist *, curl_slist_append, (struct curl_slist * list, const char *text),
              (list, text))
CURL_PROCEDURE(curl_slist_free_all, (struct curl_slist * list), (list))
CURL_FUNCTION(CURLU *, curl_url, (void), ())
CURL_PROCEDURE(curl_url_cleanup, (CURLU * url), (url))
// By its name for the linker: its first argument is const in some releases of the header, and in others not.
LATE CURLUcode late_url_get(CURLU *url, CURLUPart what, char **part,
                            unsigned flags) __asm__("curl_url_get");
LATE CURLUcode late_url_get(CURLU *url, CURLUPart what, char **part, unsigned flags)
{
    return ((CURLUcode(*)(CURLU *, CURLUPart, char **,
                          unsigned))find(&curl_library, "curl_url_get"))(url, what, part, flags);
}

CURL_FUNCTION(CURLUcode, curl_url_set,
              (CURLU * url, CURLUPart what, const char *part, unsigned flags),
              (url, what, part, flags))
CURL_FUNCTION(curl_version_info_data *, curl_version_info, (CURLversion version), (version))

SSL_FUNCTION(long, SSL_CTX_ctrl, (SSL_CTX * ctx, int command, long number, void *pointer),
             (ctx, command, number, pointer))
SSL_PROCEDURE(SSL_CTX_set1_cert_store, (SSL_CTX * ctx, X509_STORE *store), (ctx, store))
SSL_PROCEDURE(SSL_CTX_set_cert_verify_callback,
              (SSL_CTX * ctx, int (*fn)(X509_STORE_CTX *, void *), void *arg), (ctx, fn, arg))
SSL_FUNCTION(int, SSL_CTX_use_PrivateKey, (SSL_CTX * ctx, EVP_PKEY *key), (ctx, key))
SSL_FUNCTION(int, SSL_CTX_use_certificate, (SSL_CTX * ctx, X509 *cert), (ctx, cert))
